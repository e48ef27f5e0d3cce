"""Errors that the caller can fix."""

_LONGEST = 2_000  # characters of a message


class InputError(Exception):
    """Invalid user input; the message is one sentence: what was given and what is allowed.

    The command line prints it as one line, without a traceback, and exits with code 2. It is cut
    at 2,000 characters, since messages quote what files contain.
    """

    def __init__(self, message: object = ""):
        super().__init__(shortened(message, _LONGEST))


def shortened(what: object, length: int = 200) -> str:
    """Return something that a message quotes as text, cut if it is long."""
    text = str(what)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def printable(text: str) -> str:
    """Escape what a terminal cannot print: control characters and bytes that are not UTF-8."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def describe_system_error(error: OSError) -> str:
    """Return an error of the operating system as one sentence, with the file it concerns."""
    reason = error.strerror or str(error) or type(error).__name__
    names = [
        shortened(name, 1000) for name in (error.filename, error.filename2) if name is not None
    ]
    return f"{' to '.join(names)}: {reason}." if names else f"{reason}."
