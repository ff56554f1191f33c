"""Logs: loaders, splits and the columns that everything else reads."""
