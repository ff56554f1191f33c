"""Worlds whose users are known, and the loggers that record them."""
