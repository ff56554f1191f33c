"""Metrics of ranks, intervals and paired tests. Knows neither files nor models."""
