"""What the statistics and the models promise, tried where the truth is known."""
