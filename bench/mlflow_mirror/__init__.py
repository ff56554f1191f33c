"""Makes MLflow show what an output folder holds: one operation on a trial's folder or state."""
