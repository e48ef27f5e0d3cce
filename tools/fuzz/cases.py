"""Files that resemble valid ones: strategies of hypothesis."""

import re
from typing import Any

from hypothesis import strategies as st

_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[\w.+-]+|\s+|.", re.DOTALL)
_TOKENS = [
    *("null", "true", "NaN", "Infinity", "-Infinity", "1e999", "-1", "0", "1e-320", "0.5"),
    *("9" * 30, "9" * 5000, str(2**31), str(2**63), str(-(2**63) - 1), str(2**64), "1e40", "inf"),
    *('""', '"a"', '"../x"', '"/etc/passwd"', '"C:\\\\x"', '"\\u0000"', '"\\ud800"', '"a\\nb"'),
    *("[]", "{}", "[[]]", "[0]", '{"a": 0}', "[" * 3000, '{"a":' * 3000, "]", "}", "[", "{"),
    *(",", ":", "=", "\n", "\n\n", "'", '"', "\\", "#", "\ufeff", "\x00", "\x1b[2J", "ä", "\u2028"),
    *('"' + "a" * 6000 + '"', "a" * 150_000, "1" * 400 + ".5", "1979-05-27", "0x10", "1_0", "nan"),
]


@st.composite
def mutated_text(draw: Any, seeds: list[str]) -> bytes:
    """Draw a valid text in which tokens are replaced, left out, repeated, inserted or exchanged."""
    tokens = _TOKEN.findall(draw(st.sampled_from(seeds)))
    odd = st.one_of(
        st.sampled_from(_TOKENS), st.sampled_from(tokens), st.text(max_size=6), st.floats().map(str)
    )
    for _ in range(draw(st.integers(0, 4))):
        if not tokens:
            break
        place = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(["replace", "replace", "leave out", "repeat", "insert", "cut"])):
            case "replace":
                tokens[place] = draw(odd)
            case "leave out":
                del tokens[place : place + draw(st.integers(1, 4))]
            case "repeat":
                tokens[place:place] = tokens[place : place + draw(st.integers(1, 60))]
            case "insert":
                tokens.insert(place, draw(odd))
            case "cut":
                del tokens[place:]
    return "".join(tokens).encode("utf-8", "surrogatepass")


@st.composite
def mutated_bytes(draw: Any, seeds: list[bytes]) -> bytes:
    """Draw a valid file in which bytes are changed, left out, repeated or cut off."""
    content = bytearray(draw(st.sampled_from(seeds)))
    head = min(len(content), 400)  # where headers are
    for _ in range(draw(st.integers(0, 6))):
        if not content:
            break
        last = len(content) - 1
        place = draw(st.one_of(st.integers(0, min(last, head)), st.integers(0, last)))
        match draw(st.sampled_from(["change", "change", "leave out", "repeat", "insert", "cut"])):
            case "change":
                new = draw(st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 4)))
                content[place : place + len(new)] = new
            case "leave out":
                del content[place : place + draw(st.integers(1, 40))]
            case "repeat":
                content[place:place] = content[place : place + draw(st.integers(1, 40))]
            case "insert":
                content[place:place] = draw(st.binary(max_size=20))
            case "cut":
                del content[place:]
    return bytes(content)


@st.composite
def mutated_weights(draw: Any, seeds: list[bytes]) -> bytes:
    """Draw a safetensors file whose header is changed as text, and its length at times."""
    content = draw(st.sampled_from(seeds))
    length = int.from_bytes(content[:8], "little")
    header = draw(mutated_text([content[8 : 8 + length].decode()]))
    stated = draw(st.one_of(st.just(len(header)), st.just(len(header)), st.integers(0, 2**64 - 1)))
    return stated.to_bytes(8, "little") + header + content[8 + length :]


def cases(seeds: list[str] | list[bytes], name: str) -> st.SearchStrategy[bytes]:
    """Files that resemble the seeds.

    Args:
        seeds: Valid files.
        name: Their name.
    """
    texts = [seed for seed in seeds if isinstance(seed, str)]
    files = [seed for seed in seeds if isinstance(seed, bytes)]
    if texts:
        return st.one_of(mutated_text(texts), mutated_text(texts), st.binary(max_size=60))
    if name.endswith(".safetensors"):
        return st.one_of(mutated_weights(files), mutated_weights(files), mutated_bytes(files))
    return mutated_bytes(files)
