"""What an output folder holds, file by file. Loads neither torch nor MLflow."""
