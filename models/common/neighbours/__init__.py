"""Nearest-neighbour and counting recommenders, and scores that keep their order."""
