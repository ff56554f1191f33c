"""Raw logs become session logs: one file per data set, which the registry finds by itself."""
