"""From files to columns in order: downloads, archives, text, the cache."""
