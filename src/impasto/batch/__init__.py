"""Many pictures: what is painted, where it goes, one after the other."""
