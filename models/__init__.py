"""Recommenders and the registry that finds them."""
