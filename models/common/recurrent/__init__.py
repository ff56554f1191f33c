"""Recurrent cells over windows of sessions, and the states that they reach."""
