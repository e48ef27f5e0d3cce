"""The reader that is written for torchreid, run on a stand-in for the library."""

import runpy
import sys
import types
import warnings

import pytest

from deformgan.errors import InputError


class ImageDataset:
    """What torchreid's class does with what it is given (version 1.4)."""

    def __init__(self, train, query, gallery, **options):
        # It looks at the first of each: empty lists fail there.
        train, query, gallery = (
            [(*item, 0) for item in items] if len(items[0]) == 3 else items
            for items in (train, query, gallery)
        )
        self.train, self.query, self.gallery, self.options = train, query, gallery, options
        numbers = {who for _, who, _, _ in train}
        assert numbers == set(range(len(numbers))), "identities to train on count from 0"


def load(out, monkeypatch, module="torchreid.data"):
    """Run the reader of a folder; gives what it registered."""
    registered = {}
    library = types.ModuleType(module)
    vars(library).update(ImageDataset=ImageDataset, register_image_dataset=registered.__setitem__)
    parents = module.split(".")
    for depth in range(1, len(parents)):
        monkeypatch.setitem(sys.modules, ".".join(parents[:depth]), types.ModuleType("parent"))
        sys.modules[".".join(parents[:depth])].__path__ = []
    monkeypatch.setitem(sys.modules, module, library)
    name = runpy.run_path(str(out / "torchreid_dataset.py"))["NAME"]
    assert list(registered) == [name]
    return registered[name]


@pytest.fixture(params=["torchreid.data", "torchreid.reid.data"])
def module(request):
    return request.param


def test_it_reads_everybody_to_train_and_to_test_on(market, write, monkeypatch, module):
    data = market()
    out = write("torchreid", data.parent / "out", data)
    found = load(out, monkeypatch, module)(root="anywhere", mode="train")
    assert found.options == {"mode": "train"}
    assert len(found.train) == 15
    path = str(out / "bounding_box_train" / "0007_c15s2_000801_01g1.jpg")
    assert (path, 1, 14, 0) in found.train  # second person, fifteenth camera
    assert sorted((who, camera) for _, who, camera, _ in found.query) == [(1501, 0), (1501, 1)]
    # Distractors stay, junk goes.
    assert sorted(who for _, who, _, _ in found.gallery) == [0, 1501, 1501]


def test_new_identities_beyond_1501_are_classes_of_their_own(market, write, monkeypatch):
    data = market()
    out = write("torchreid", data.parent / "out", data, "new")
    found = load(out, monkeypatch)()
    assert {who for _, who, _, _ in found.train} == set(range(6))


def test_soft_labels_are_not_lost_in_silence(market, write, monkeypatch):
    data = market()
    with pytest.warns(UserWarning, match="no soft labels"):
        load(write("torchreid", data.parent / "soft", data, "soft"), monkeypatch)()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(write("torchreid", data.parent / "same", data), monkeypatch)()


def test_the_rest_is_market1501(market, write, tree):
    data = market()
    ours = tree(write("torchreid", data.parent / "a", data))
    plain = tree(write("market1501", data.parent / "b", data))
    assert set(ours) - set(plain) == {"torchreid_dataset.py"}
    assert all(ours[path] == plain[path] for path in plain if path != "augment.json")


def test_a_data_set_without_test_is_refused_before_anything_is_written(market, write):
    data = market("neither")
    with pytest.raises(InputError, match="torchreid needs query and gallery"):
        write("torchreid", data.parent / "out", data)
    assert not (data.parent / "out").exists()
