"""Ways out of the station by hand: part of its journal in signed files."""
