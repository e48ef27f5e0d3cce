"""Messages of errors."""

from deformgan.errors import InputError


def test_a_message_that_quotes_a_long_input_is_cut():
    short = InputError("photo.jpg is empty.")
    assert str(short) == "photo.jpg is empty."
    long = InputError(f"{10_000 * 'a'!r} is no name.")
    assert len(str(long)) == 2_000
    assert str(long).endswith("...")
