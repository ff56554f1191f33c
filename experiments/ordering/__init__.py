"""Which figures from a log order models as their true value does."""
