"""From a log to training, validation and test."""
