"""Experiments that the documents report, each one command."""
