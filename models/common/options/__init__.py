"""What a model's options may be, and where tuning may look."""
