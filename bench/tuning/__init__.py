"""The search for each model's options on validation, with one budget for all."""
