"""A value or `InputError`, whatever is in a file; a long run is `benchmarks/fuzz.py`."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tools.fuzz.cases import cases
from tools.fuzz.parsers import PARSERS, Parser, TooSlowError, limited, refused

# The type check draws the items of a list that it looks at from Python's global random numbers.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

CASES = 12  # of each parser


@pytest.mark.parametrize("name", PARSERS)
def test_a_value_or_an_input_error(name):
    parser = PARSERS[name]

    @seed(0)
    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data):
        content = data.draw(cases(parser.seeds, parser.name))
        with tempfile.TemporaryDirectory() as folder:
            refused(parser, content, Path(folder))

    check()


@pytest.mark.parametrize("name", PARSERS)
def test_the_seeds_are_read_as_far_as_they_are_whole(tmp_path, name):
    parser = PARSERS[name]
    whole = ["generators", "baselines", "settings"]  # these seeds lack the tensors or one setting
    contents = [seed.encode() if isinstance(seed, str) else seed for seed in parser.seeds]
    read = [not refused(parser, content, tmp_path) for content in contents]
    assert any(read) or name in whole


def test_the_harness_notices_other_exceptions_and_endless_work(tmp_path):
    def fails(path):
        raise KeyError(path.read_bytes())

    def hangs(path):
        while True:
            pass

    with pytest.raises(KeyError):
        refused(Parser(fails, "a", ["x"]), b"x", tmp_path)
    with pytest.raises(TooSlowError):
        refused(Parser(hangs, "a", ["x"]), b"x", tmp_path, seconds=0.2)
    with limited(5.0):
        pass
