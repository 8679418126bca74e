"""Everything a user can turn, one file each: arrays in, arrays out."""
