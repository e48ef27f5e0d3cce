"""Errors that the caller can fix."""


class InputError(Exception):
    """Invalid user input; the message is one sentence: what was given and what is allowed.

    The command line prints it as one line, without a traceback, and exits with code 2.
    """
