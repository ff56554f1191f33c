"""The evaluation core: trials, ranking, metrics and their records."""

VERSION = "0.1.0"
