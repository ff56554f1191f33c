"""Shows in MLflow what an output folder holds."""
