"""Nobody is trained on who is tested on; the same picture under another name is found too."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from deformgan.datasets import open_dataset
from deformgan.datasets.splits import (
    Leak,
    find_leaks,
    read_identity_split,
    refuse_leaks,
    refuse_shared_identities,
)
from deformgan.errors import InputError


@dataclass
class Side:
    """One side of a split, as `NamedPhotos` asks."""

    names: list[str]
    identities: list[str]
    paths: list[Path]


@pytest.fixture
def side(tmp_path):
    """Return a function that makes a side from (name, identity, content)."""

    def make(*photos):
        for name, _, content in photos:
            (tmp_path / name).write_bytes(content)
        names = [name for name, _, _ in photos]
        return Side(names, [who for _, who, _ in photos], [tmp_path / name for name in names])

    return make


def test_shared_identities_and_equal_files_are_found_with_their_names(side):
    train = side(("a1", "a", b"one"), ("a2", "a", b"two"), ("b1", "b", b"three"))
    test = side(("c1", "c", b"three"), ("a3", "a", b"four"), ("c2", "c", b"owt"))
    leaks = find_leaks(train, test)
    assert leaks[0] == Leak("identity", "a", ["a1", "a2"], ["a3"])
    assert [(leak.kind, leak.train, leak.test) for leak in leaks[1:]] == [("image", ["b1"], ["c1"])]
    assert find_leaks(train, test, content=False) == leaks[:1]
    with pytest.raises(InputError, match=r"a is in both train \(2 images, .* \(and 1 more\)"):
        refuse_leaks(train, test)


def test_a_clean_split_is_not_refused_and_copies_within_a_side_are_no_leak(side):
    train = side(("a1", "a", b"same"), ("a2", "a", b"same"))
    test = side(("b1", "b", b"emas"))
    assert find_leaks(train, test) == []
    refuse_leaks(train, test)


def test_only_files_whose_length_occurs_on_both_sides_are_read(side):
    train = side(("a1", "a", b"short"), ("a2", "a", b"the same"))
    test = side(("b1", "b", b"the same"), ("b2", "b", b"much longer"))
    train.paths[0].chmod(0)
    train.paths[0] = train.paths[0].rename(train.paths[0].with_name("moved"))
    sizes = {path.name: path.stat().st_size for path in train.paths + test.paths}
    assert sizes["moved"] not in {sizes["b1"], sizes["b2"]}
    reads = []
    original = Path.read_bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: reads.append(path.name) or original(path))
        assert len(find_leaks(train, test)) == 1
    assert sorted(reads) == ["a2", "b1"]


def test_shared_identities_are_named_and_counted():
    refuse_shared_identities(["a", "b"], ["c"], "here")
    with pytest.raises(InputError, match=r"here has b and 1 more in both train and test\."):
        refuse_shared_identities(["c", "b", "a"], ["b", "c", "d"], "here")


def test_a_folder_without_split_file_has_none(tmp_path):
    assert read_identity_split(tmp_path) is None


def test_the_real_split_leaks_neither_people_nor_pictures(market1501):
    train, test = (open_dataset(market1501, split=split) for split in ("train", "test"))
    assert find_leaks(train, test) == []
