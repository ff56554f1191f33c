"""The error that a user can fix, and the hint for a misspelt name."""

import difflib
from collections.abc import Collection


class InputError(Exception):
    """A wrong option or input: one sentence that names the file, row or option, and the fix."""


def nearest_hint(name: str, known: Collection[str], otherwise: str) -> str:
    """A question with the known name closest to `name`; if none is close, `otherwise` and all."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"{otherwise} {', '.join(known) or 'none'}"
