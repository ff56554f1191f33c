"""From a checked plan to trial folders: each trial in a process of its own."""
