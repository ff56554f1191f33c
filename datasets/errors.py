"""The error that a person can mend."""


class InputError(Exception):
    """A wrong option or input: one sentence that names the file, row or option, and the mend."""
