"""From a checked plan to trial folders: each trial in its own process."""
