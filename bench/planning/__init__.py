"""From options to a checked plan. `plan.py` declares them, and the parser is built from it."""
