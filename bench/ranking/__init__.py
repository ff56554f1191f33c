"""From a trained model to the rank of every target in the full catalogue."""
