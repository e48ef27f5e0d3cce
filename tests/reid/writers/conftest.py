"""A small Market-1501, and photos that might have been generated from it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TRAIN = [
    "0002_c1s1_000451_03.jpg",
    "0002_c2s1_000551_01.jpg",
    "0007_c1s1_000776_01.jpg",
    "0007_c15s2_000801_01.jpg",
    "0010_c3s1_069056_02.jpg",
]
TEST = [
    "-1_c1s1_000401_03.jpg",
    "0000_c1s1_000151_01.jpg",
    "1501_c1s1_001051_03.jpg",
    "1501_c2s1_001051_03.jpg",
]
QUERY = ["1501_c1s1_001051_00.jpg", "1501_c2s1_001051_00.jpg"]

# The package is imported where it is used: the shape checks are not installed yet when this file
# is read.


def _jpeg(key, size=(128, 64)):
    random = np.random.default_rng(int.from_bytes(key.encode()))
    noise = random.integers(0, 256, (size[0] // 8, size[1] // 8, 3))
    file = io.BytesIO()
    Image.fromarray(noise.astype(np.uint8)).resize(size[::-1]).save(file, format="JPEG")
    return file.getvalue()


def _write_photos(folder, names, size):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(_jpeg(name, size))


def _shards_of(items, size=3):
    return [items[first : first + size] for first in range(0, len(items), size)]


def _finished(photos, data, rule="same", per_image=2):
    from deformgan.reid.labels import Labels, identities_in
    from deformgan.reid.manifest import GeneratedPhoto
    from deformgan.reid.writers import Finished

    labels = Labels.assign(rule, photos.names, identities_in(data))
    items = []
    for row, source in enumerate(photos.names):
        for number in range(1, per_image + 1):
            target = (row + number) % len(photos)
            photo = GeneratedPhoto(
                name=labels.name(source, number),
                source=source,
                target=photos.names[target],
                identity=labels.identity(source),
                label=rule,
                camera=int(photos.cameras[row]),
                number=number,
                seed=0,
                attempt=number - 1,
                weights="pedestrian",
                weights_sha256="0" * 64,
                scores={"pose": 0.25 * number, "identity": 0.5},
            )
            items.append(Finished(photo, _jpeg(photo.name), photos.poses[[target]]))
    return items


@pytest.fixture(scope="session")
def jpeg():
    """A function that makes a photo of noise, another one for another key."""
    return _jpeg


@pytest.fixture(scope="session")
def finished():
    """A function that makes every source appear in the poses of those after it."""
    return _finished


@pytest.fixture(scope="session")
def shards_of():
    """A function that parts what is finished into shards."""
    return _shards_of


@pytest.fixture(scope="session")
def write():
    """A function that writes an augmented set of a whole data set, its shards in some order."""

    def write(name, out, data, rule="same", order=None):
        from deformgan.datasets import Market1501
        from deformgan.reid.writers import open_writer

        photos = Market1501(data, fit="stretch", size=(128, 64))
        writer = open_writer(name, out, photos, data, {"seed": 0})
        shards = _shards_of(_finished(photos, data, rule))
        for number in order or range(len(shards)):
            writer.write_shard(number, shards[number])
        writer.finish(len(shards))
        return out

    return write


@pytest.fixture(scope="session")
def tree():
    """A function that reads everything in a folder: path -> bytes, None for a folder."""

    def tree(folder):
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in sorted(Path(folder).rglob("*"))
        }

    return tree


@pytest.fixture
def market(tmp_path, people):
    """A function that writes a data set: with the official folders, with a split, or without."""

    def make(kind="official", name="data", size=(128, 64)):
        from deformgan.pose import Pose
        from deformgan.pose_formats import Annotations, write_annotation_csv

        data = tmp_path / name
        train = TRAIN if kind != "split" else [*TRAIN, *QUERY]
        _write_photos(data / "bounding_box_train", train, size)
        poses = people(len(train), size, hidden=0.1)
        poses = Pose(poses.joints.round().clamp(min=0), poses.visible)
        poses.visible[:, [2, 5, 8, 11]] = True
        write_annotation_csv(data / "market-annotation-train.csv", Annotations(train, poses))
        if kind == "split":
            split = {"train": ["0002", "0007", "0010"], "test": ["1501"]}
            (data / "identity-split.json").write_text(json.dumps(split))
        if kind == "official":
            _write_photos(data / "query", QUERY, size)
            _write_photos(data / "bounding_box_test", TEST, size)
            (data / "bounding_box_test" / "Thumbs.db").touch()
            known = Annotations(TEST[2:], poses[[0, 1]])
            write_annotation_csv(data / "market-annotation-test.csv", known)
        return data

    return make


@pytest.fixture(params=["market1501", "torchreid", "fastreid", "folders", "csv", "webdataset"])
def every_writer(request):
    """The name of every writer in turn."""
    return request.param
