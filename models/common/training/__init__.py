"""The step of a fit: optimiser, initial weights, compiled loops, progress."""
