"""The reader that is written for fast-reid, run on a stand-in for the library."""

import runpy
import sys
import types

import pytest


class ImageDataset:
    """What fast-reid's class keeps (version 1.3)."""

    def __init__(self, train, query, gallery, transform=None, mode="train", **options):
        self.train, self.query, self.gallery, self.options = train, query, gallery, options


class Registry(dict):
    """Register classes by their names, as fvcore's does."""

    def register(self):
        """Return a decorator."""

        def keep(cls):
            assert cls.__name__ not in self
            self[cls.__name__] = cls
            return cls

        return keep


@pytest.fixture
def load(monkeypatch):
    """A function that runs the reader of a folder and gives what it registered."""

    def load(out):
        library = {
            name: types.ModuleType(name)
            for name in ("fastreid", "fastreid.data", "fastreid.data.datasets")
        }
        registry = Registry()
        vars(library["fastreid.data.datasets"])["DATASET_REGISTRY"] = registry
        bases = library["fastreid.data.datasets.bases"] = types.ModuleType("bases")
        vars(bases)["ImageDataset"] = ImageDataset
        for name, module in library.items():
            vars(module)["__path__"] = []
            monkeypatch.setitem(sys.modules, name, module)
        runpy.run_path(str(out / "fastreid_dataset.py"))
        assert list(registry) == ["DeformganAugmented"]
        return registry["DeformganAugmented"]

    return load


def test_it_reads_everybody_to_train_and_to_test_on(market, write, load):
    data = market()
    out = write("fastreid", data.parent / "out", data)
    found = load(out)(root="datasets", combineall=False)
    assert found.options == {"combineall": False}
    assert len(found.train) == 15
    path = str(out / "bounding_box_train" / "0007_c15s2_000801_01g1.jpg")
    assert (path, "deformgan_augmented_7", "deformgan_augmented_14") in found.train
    assert sorted((who, camera) for _, who, camera in found.query) == [(1501, 0), (1501, 1)]
    assert sorted(who for _, who, _ in found.gallery) == [0, 1501, 1501]


def test_new_identities_beyond_1501_are_read(market, write, load):
    data = market()
    found = load(write("fastreid", data.parent / "out", data, "new"))()
    assert len({who for _, who, _ in found.train}) == 6
    assert ("deformgan_augmented_1504", "deformgan_augmented_2") in {
        (who, camera) for _, who, camera in found.train
    }


def test_soft_labels_are_not_lost_in_silence(market, write, load):
    data = market()
    adapter = load(write("fastreid", data.parent / "out", data, "soft"))
    with pytest.warns(UserWarning, match="no soft labels"):
        adapter()


def test_a_data_set_without_test_trains_at_least(market, write, load):
    data = market("neither")
    found = load(write("fastreid", data.parent / "out", data))()
    assert (len(found.train), found.query, found.gallery) == (15, [], [])
