"""A finished trial that recommends: from the command line, and loaded by MLflow."""
