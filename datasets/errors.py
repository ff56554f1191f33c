"""The error that a person can mend: one sentence that names the file, row or option, and the mend."""


class InputError(Exception):
    """A wrong option or input; its text is one sentence for the person at the terminal."""
