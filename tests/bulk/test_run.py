"""Bulk generation: complete, equal to single pictures, resumable, in bounded memory."""

import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.bulk import Bulk, Source, Target
from deformgan.bulk import run as module
from deformgan.cli.pictures import write_picture
from deformgan.datasets.bundled_people import bundled_people
from deformgan.errors import InputError
from deformgan.inputs import PosedPhoto
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer

VIEWS = [view for views in bundled_people()[:2] for view in views[:2]]


@pytest.fixture(scope="module")
def transfer():
    torch.manual_seed(0)
    widths = {"encoder_widths": (4,) * 4, "decoder_widths": (4,) * 3, "warped_levels": 2}
    return PoseTransfer(Generator(GeneratorConfig(**widths)).eval(), (128, 64))


@pytest.fixture
def bulk(transfer, tmp_path):
    """Four photos in three poses, all known."""
    sources = [Source(view.path.name, view.path, view.pose) for view in VIEWS]
    targets = [Target(view.path.name, posed=PosedPhoto(view.pose, (128, 64))) for view in VIEWS[1:]]
    return Bulk(transfer, sources, targets, tmp_path, write_picture)


def read(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_photo_in_every_pose_is_what_single_pictures_are(bulk, tmp_path):
    report = bulk.run()
    assert (report.written, report.kept, report.failures) == (12, 0, {})
    files = {bulk.file(pair): pair for pair in bulk}
    assert set(read(tmp_path)) == set(files)
    for name, (source, target) in files.items():
        person = PosedPhoto(VIEWS[source].pose, (128, 64), VIEWS[source].photo)
        (single,) = bulk.transfer.generate([person], bulk.targets[target].posed)
        assert np.array_equal(np.array(Image.open(tmp_path / name)), single)


def test_poses_are_detected_in_photos(bulk, transfer, tmp_path):
    sources = [replace(bulk.sources[0], pose=None)]
    targets = [Target(VIEWS[2].path.name, VIEWS[2].path)]
    report = replace(bulk, sources=sources, targets=targets).run()
    (picture,) = tmp_path.iterdir()
    wanted = transfer(VIEWS[0].path, VIEWS[2].path)
    assert np.array_equal(np.array(Image.open(picture)), np.array(wanted))
    assert report.seconds["detection"] > 0
    assert report.seconds["decoding"] > 0


def test_pairs_alone_are_generated(bulk, tmp_path):
    some = replace(bulk, pairs=[(0, 2), (3, 0), (3, 1)])
    assert some.run().written == 3
    assert set(read(tmp_path)) == {bulk.file(pair) for pair in [(0, 2), (3, 0), (3, 1)]}


@pytest.mark.parametrize("noise_seed", [None, 3])
def test_what_exists_is_kept_and_the_rest_becomes_the_same_bytes(bulk, tmp_path, noise_seed):
    bulk = replace(bulk, noise_seed=noise_seed)
    bulk.run()
    whole = read(tmp_path)
    kept = tmp_path / bulk.file((1, 1))
    for pair in bulk:
        if pair != (1, 1):
            (tmp_path / bulk.file(pair)).unlink()
    kept.write_bytes(b"mine")
    (tmp_path / ".half.0123abcd.unfinished.png").write_bytes(b"of a killed run")
    report = bulk.run()
    assert (report.written, report.kept) == (11, 1)
    assert read(tmp_path) == whole | {kept.name: b"mine"}


def test_a_complete_folder_is_left_alone_without_reading_a_photo(bulk, tmp_path, monkeypatch):
    bulk.run()
    monkeypatch.setattr(module, "load_photo", lambda path: pytest.fail(f"{path} was read"))
    assert bulk.run().kept == 12


def test_failures_are_told_once_each_and_the_rest_is_generated(bulk, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "broken.jpg").write_text("no photo")
    Image.new("RGB", (200, 300), (90, 120, 100)).save(photos / "nobody.png")
    lame = VIEWS[0].pose
    lame = Pose(lame.joints, lame.visible.clone().index_fill(1, torch.tensor([8]), False))
    sources = [Source(path.name, path) for path in sorted(photos.iterdir())]
    sources.append(bulk.sources[0])
    targets = [
        Target("lame", posed=PosedPhoto(lame, (128, 64))),
        Target("broken.jpg", photos / "broken.jpg"),
        bulk.targets[0],
    ]
    told = []
    out = tmp_path / "out"
    out.mkdir()
    bulk = replace(bulk, sources=sources, targets=targets, out=out)
    report = bulk.run(failed=lambda name, reason: told.append((name, reason)))
    assert list(read(out)) == [bulk.file((2, 2))]
    assert report.written == 1
    reasons = dict(told)
    assert len(told) == 4
    assert set(reasons) == {*map(str, photos.iterdir()), "lame"}
    assert "cannot be read as an image" in reasons[str(photos / "broken.jpg")]
    assert reasons[str(photos / "nobody.png")] == f"No person found in {photos / 'nobody.png'}."
    assert "lacks right_hip" in reasons["lame"]
    assert report.failures == reasons


def test_a_picture_that_fails_is_told_and_the_others_are_generated(bulk, tmp_path, monkeypatch):
    def generate(people, target, **settings):
        if target is bulk.targets[1].posed:
            raise InputError("This pose cannot be.")
        yield np.zeros((2, 2, 3), np.uint8)

    targets = [replace(target) for target in bulk.targets]
    monkeypatch.setattr(bulk.transfer, "generate", generate)
    report = replace(bulk, targets=targets).run()
    assert report.written == 8
    assert set(report.failures) == {bulk.file((source, 1)) for source in range(4)}


def test_a_full_disk_ends_the_run_with_one_sentence(bulk):
    def write(path, picture):
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"Cannot write .*png: No space left on device"):
        replace(bulk, write=write).run()


def test_memory_does_not_grow_with_the_number_of_pictures(bulk, monkeypatch):
    # 50 photos; the threads could read all of them long before the network is through, and the
    # network could be through long before the pictures are written.
    alive = weakref.WeakSet()
    most = 0
    lock = threading.Lock()

    class Tracked(np.ndarray):
        """An array that can be counted."""

    def count(array):
        nonlocal most
        array = array.view(Tracked)
        with lock:
            alive.add(_Handle(array))
            most = max(most, len(alive))
        return array

    class _Handle:
        """Lives as long as an array."""

        def __init__(self, array):
            array.handle = self

    load = module.load_photo
    monkeypatch.setattr(module, "load_photo", lambda path: count(load(path)))
    monkeypatch.setattr(
        bulk.transfer,
        "generate",
        lambda *_, **settings: iter([count(np.zeros((2, 2, 3), np.uint8))]),
    )
    sources = [replace(bulk.sources[0], name=f"{number}.jpg") for number in range(50)]
    report = replace(
        bulk, sources=sources, targets=bulk.targets[:1], write=lambda *_: time.sleep(0.002)
    ).run()
    assert report.written == 50
    # Both queues, a photo in use and a picture in the making.
    assert 4 < most <= 2 * (module._AHEAD + 1) + 4


@pytest.mark.parametrize(
    ("photos", "poses", "said"),
    [
        (["a.jpg", "b/a.png"], ["x"], "Two photos are named a"),
        (["a.jpg"], ["x.json", "x.csv"], "Two poses are named x"),
        (["a.jpg", "a__b.jpg"], ["c", "b__c"], "Two pictures would be named a__b__c.png"),
    ],
)
def test_pictures_of_one_name_are_refused(transfer, tmp_path, photos, poses, said):
    sources = [Source(name, tmp_path / name) for name in photos]
    targets = [Target(name) for name in poses]
    with pytest.raises(InputError, match=said):
        Bulk(transfer, sources, targets, tmp_path, write_picture)
