"""The evaluation core: trials, ranking, metrics and their records."""
