"""How fast the program trains, ranks and starts, as ratios in one run."""
