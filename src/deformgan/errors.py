"""Errors that the caller can fix."""


class InputError(Exception):
    """Something a user gave is wrong: one sentence that says what was given and what is allowed.

    The command line prints it as one line and exits with code 2; it is never shown as a traceback.
    """
