"""Pages on the own machine: a small web server whose pages come from this package alone."""
