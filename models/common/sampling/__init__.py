"""Negatives, and losses over a target and its negatives."""
