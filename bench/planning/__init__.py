"""From options to a checked plan. Options are declared in `plan.py`; the parser is built from it."""
