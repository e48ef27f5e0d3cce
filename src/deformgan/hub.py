"""fetch_weights: weights from the Hugging Face hub, by name."""

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from deformgan.errors import InputError, printable, shortened

PREFIX = "hf://"
FILE = "generator.safetensors"  # as `train` writes it

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(
    rf"hf://(?P<repo>{_PART}/{_PART})"
    r"(?:/(?P<file>[A-Za-z0-9_][A-Za-z0-9._/-]*\.safetensors))?"
    r"(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]*))?"
)


@cache
def fetch_weights(name: str) -> Path:
    """Return weights of a hub repository, downloaded if the hub's cache lacks them.

    Only a .safetensors file is ever fetched, which holds numbers and no code.

    Args:
        name: hf://OWNER/NAME for the file generator.safetensors of a repository,
            hf://OWNER/NAME/FILE.safetensors for another one; either followed by @REVISION, a
            branch, tag or commit.

    Raises:
        InputError: If the name is wrong, the extra `hub` is missing, or the file cannot be had.
    """
    parts = _NAME.fullmatch(name)
    if parts is None or ".." in name:
        raise InputError(
            f"The weights {shortened(name)!r} are no name on the hub; it must be "
            "hf://OWNER/NAME or hf://OWNER/NAME/FILE.safetensors, with or without @REVISION."
        )
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise InputError(f'{name} needs the extra "hub": pip install "deformgan[hub]".') from None
    try:
        with _without_warnings():
            path = hf_hub_download(parts["repo"], parts["file"] or FILE, revision=parts["revision"])
    except Exception as error:  # of the library, its HTTP client, or the system
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise InputError(
            f"{name} cannot be fetched: {printable(shortened(reason)).rstrip('.')}."
        ) from None
    return Path(path)


@contextmanager
def _without_warnings() -> Generator[None]:
    """Hide the library's lines about every try, which the one error replaces."""
    log = logging.getLogger("huggingface_hub")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
