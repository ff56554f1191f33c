"""The error that a person can fix, and the hint that goes with a misspelt name."""

import difflib
from collections.abc import Collection


class InputError(Exception):
    """A wrong option or input: one sentence that names the file, row or option, and the fix."""


def nearest_hint(name: str, known: Collection[str], otherwise: str) -> str:
    """A question with the name nearest to `name`; where none is near, `otherwise` and all names."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"{otherwise} {', '.join(known) or 'none'}"
