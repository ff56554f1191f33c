"""Plots of a benchmark, one kind a file."""
