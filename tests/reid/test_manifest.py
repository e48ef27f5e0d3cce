"""The manifest of an augmented data set."""

import json
from dataclasses import replace

import pytest

from deformgan.errors import InputError
from deformgan.reid.manifest import (
    GeneratedPhoto,
    iterate_manifest,
    read_manifest,
    write_manifest,
)

PHOTO = GeneratedPhoto(
    name="0002_c1s1_000451_03g1.jpg",
    source="0002_c1s1_000451_03.jpg",
    target="0007_c3s3_077419_03.jpg",
    identity="0002",
    label="same",
    camera=1,
    number=1,
    seed=3,
    attempt=0,
    weights="pedestrian",
    weights_sha256="ab" * 32,
    scores={"pose": 0.125, "identity": 0.5},
)
OTHER = replace(PHOTO, name="0002_c1s1_000451_03g2.jpg", number=2, scores={}, weights="grün")


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, [PHOTO, OTHER])
    return path


def spoil(path, line, **changes):
    """Change keys of a line; None takes one out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    given = {
        key: value
        for key, value in (json.loads(lines[line - 1]) | changes).items()
        if value is not None
    }
    lines[line - 1] = json.dumps(given)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_what_was_written_is_read(manifest):
    assert read_manifest(manifest) == [PHOTO, OTHER]


def test_a_line_is_a_json_object_with_its_keys_in_order(manifest):
    first = manifest.read_text(encoding="utf-8").splitlines()[0]
    assert list(json.loads(first)) == [
        *("name", "source", "target", "identity", "label", "camera", "number", "seed"),
        *("attempt", "weights", "weights_sha256", "scores"),
    ]


def test_bytes_do_not_depend_on_the_order_in_which_scores_were_measured(tmp_path):
    texts = []
    for scores in ({"pose": 0.1, "identity": 0.2}, {"identity": 0.2, "pose": 0.1}):
        write_manifest(tmp_path / "m", [replace(PHOTO, scores=scores)])
        texts.append((tmp_path / "m").read_bytes())
    assert texts[0] == texts[1]


def test_reading_streams(manifest):
    with manifest.open("a") as file:
        file.write("broken")
    assert next(iter(iterate_manifest(manifest))) == PHOTO


def test_a_manifest_is_not_left_half_written(manifest):
    before = manifest.read_bytes()

    def broken():
        yield PHOTO
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_manifest(manifest, broken())
    assert manifest.read_bytes() == before


def test_a_key_of_a_later_version_is_passed_over(manifest):
    spoil(manifest, 1, background="kept")
    assert read_manifest(manifest)[0] == PHOTO


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": None}, "line 2: source missing"),
        ({"source": None, "camera": None}, "line 2: source, camera missing"),
        ({"camera": "1"}, "line 2: camera is '1', not an integer"),
        ({"camera": True}, "line 2: camera is 'True', not an integer"),
        ({"seed": 1.5}, "line 2: seed is '1.5', not an integer"),
        ({"name": 3}, "line 2: name is '3', not a string"),
        ({"label": "own"}, "line 2: label is 'own', not one of same, new, soft"),
        ({"label": ["same"]}, "line 2: label is .* not one of"),
        ({"scores": [1]}, r"line 2: scores is '\[1\]', not an object of finite numbers"),
        ({"scores": {"pose": "high"}}, "line 2: scores is .*, not an object of finite numbers"),
        (
            {"scores": {"pose": float("nan")}},
            "line 2: scores is .*, not an object of finite numbers",
        ),
        ({"name": PHOTO.name}, "line 2: '0002_c1s1_000451_03g1.jpg' is already on line 1"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(manifest, changes, message):
    spoil(manifest, 2, **changes)
    with pytest.raises(InputError, match=message) as error:
        read_manifest(manifest)
    assert str(manifest) in str(error.value)


@pytest.mark.parametrize("line", ["{", "", "[]", "null", '{"name": "a"', "[" * 100_000])
def test_a_line_that_is_no_object_is_an_error(manifest, line):
    with manifest.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"line 3: .* is not a JSON object"):
        read_manifest(manifest)


def test_a_manifest_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "binary")


def test_a_score_that_is_no_number_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_manifest(tmp_path / "m", [replace(PHOTO, scores={"pose": float("nan")})])
