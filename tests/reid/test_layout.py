"""Data sets of every layout: who trains, who asks, and what `reid augment` writes of them."""

import json

import pytest
import torch

from deformgan.checkpoint import save_generator
from deformgan.datasets.cuhk03 import CUHK03, market_name
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.splits import NoTestSplitError
from deformgan.errors import InputError
from deformgan.pose_formats import read_annotation_csv
from deformgan.reid.augment import augment
from deformgan.reid.evaluate import Rules
from deformgan.reid.generated_photos import GeneratedPhotos
from deformgan.reid.labels import Labels, identities_in
from deformgan.reid.layout import Layout
from deformgan.reid.leaks import TestSide, refuse_test_poses
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.reid.person_photos import query_and_gallery
from deformgan.reid.simple_augmenters import SIMPLE_AUGMENTERS
from deformgan.reid.training_photos import read_training_photos, training_people
from deformgan.reid.writers import WRITERS

LAYOUTS = ("first-pair", "extracted", "new-protocol", "labeled")


@pytest.fixture(params=LAYOUTS)
def cuhk03(request, write_cuhk03, tmp_path):
    """Return the folder of a set, and the names of its parts."""
    if request.param == "labeled":
        parts = write_cuhk03("new-protocol", tmp_path / "set")
        return tmp_path / "set" / "labeled", parts
    return tmp_path / "set", write_cuhk03(request.param, tmp_path / "set")


@pytest.fixture(scope="module")
def weights(tiny_generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, tiny_generator, {"size": [128, 64]})
    return path


def test_training_people_queries_and_gallery_are_read_in_every_layout(cuhk03):
    data, parts = cuhk03
    people, (query, gallery) = training_people(data), query_and_gallery(data)
    for found, part in ((people, "train"), (query, "query"), (gallery, "gallery")):
        assert found.names == sorted(parts[part])
        assert all(path.is_file() for path in found.paths)
        assert set(found.cameras.tolist()) == {1, 2}
        assert not found.nobody  # 0000 is a person here
    assert set(people.identities).isdisjoint({*query.identities, *gallery.identities})
    # The two readers of the training photos, with and without poses, agree.
    posed = CUHK03(data)
    assert dict(zip(posed.names, posed.identities, strict=True)) == dict(
        zip(people.names, people.identities, strict=True)
    )
    rules = Rules.of(query, gallery)
    assert (rules.same & ~rules.junk).any(dim=1).all()
    assert set(training_people(data, "test").identities) >= (
        set() if Layout.find(data).people is None else set(gallery.identities)
    )


def test_nobody_can_be_named_in_cuhk03_too(write_cuhk03, tmp_path):
    write_cuhk03("first-pair", tmp_path / "set")
    assert "0000" in training_people(tmp_path / "set").identities
    assert "0000" not in training_people(tmp_path / "set", nobody=("0000",)).identities


def test_training_photos_are_numbered_by_person(cuhk03):
    data, parts = cuhk03
    photos = read_training_photos(data, size=(64, 32))
    assert photos.images.shape == (12, 3, 64, 32)
    assert photos.classes.bincount().tolist() == [4, 4, 4]
    assert not photos.generated.any()
    affine = SIMPLE_AUGMENTERS["affine"](data, (64, 32)).generate(photos, 1, seed=0)
    assert affine.classes.bincount().tolist() == [4, 4, 4]
    assert parts["train"][0].startswith(affine.names[0][:4])


def test_what_torchreid_lists_must_be_there(write_cuhk03, tmp_path):
    parts = write_cuhk03("extracted", tmp_path / "set")
    (tmp_path / "set" / "images_labeled" / parts["query"][0]).unlink()
    with pytest.raises(InputError, match=rf"lacks {parts['query'][0]}, which its split lists"):
        query_and_gallery(tmp_path / "set")
    split = {part: [[name, 0, 0] for name in parts[part]] for part in ("train", "gallery")}
    file = tmp_path / "set" / "splits_new_labeled.json"
    file.write_text(json.dumps([{**split, "query": []}]))
    with pytest.raises(InputError, match="has no test photo that its split lists"):
        query_and_gallery(tmp_path / "set")
    file.unlink()
    with pytest.raises(NoTestSplitError, match="has no test set"):
        query_and_gallery(tmp_path / "set")


def test_a_split_file_comes_before_torchreid_s(write_cuhk03, tmp_path):
    write_cuhk03("extracted", tmp_path / "set")
    split = {"train": ["5_001", "5_002", "5_003"], "test": ["1_001", "1_002"]}
    (tmp_path / "set" / "identity-split.json").write_text(json.dumps(split))
    query, gallery = query_and_gallery(tmp_path / "set")
    assert (len(query), len(gallery)) == (4, 8)
    assert set(training_people(tmp_path / "set").identities) == set(split["train"])


def test_everybody_is_found_and_the_test_side_is_whole(cuhk03):
    data, parts = cuhk03
    everybody = {market_name(name).partition("_")[0] for of in parts.values() for name in of}
    assert identities_in(data) == everybody
    test = TestSide.of(data, (256, 96))
    assert {name for photos in test.photos for name in photos.names} >= {*parts["gallery"]}
    assert {name for name, _ in test.poses} >= {*parts["gallery"]}
    assert len(test.people) == 2


@pytest.mark.parametrize("rule", ["same", "new", "soft"])
def test_generated_photos_are_named_in_market_s_style(cuhk03, rule):
    data, parts = cuhk03
    labels = Labels.assign(rule, parts["train"], identities_in(data))
    for name in parts["train"]:
        made = labels.name(name, 2)
        renamed = market_name(name)
        assert made.endswith("g2.jpg")
        assert made.partition("_")[2].startswith(renamed.partition("_")[2].partition(".")[0])
        same = renamed.partition("_")[0] == labels.identity(name)
        assert same == (rule != "new")
        assert (labels.identity(name) in identities_in(data)) == (rule != "new")


def test_an_augmented_set_is_read_by_market_s_reader_and_leads_back_to_its_sources(
    cuhk03, weights, tmp_path
):
    data, parts = cuhk03
    out = tmp_path / "out"
    report = augment(data, out, weights=weights, gate=None, shard_size=4)
    assert report is not None
    assert report.counts["written"] == 12
    read = Market1501(out)
    photos = {photo.name: photo for photo in read_manifest(out / MANIFEST)}
    originals = [market_name(name) for name in parts["train"]]
    assert set(read.names) == {*originals, *photos}
    assert {photo.source for photo in photos.values()} == set(parts["train"])
    source, before = CUHK03(data, fit="exact"), CUHK03(data)
    for name, original in zip(parts["train"], originals, strict=True):
        row, was = read.names.index(original), source.names.index(name)
        assert read.paths[row].read_bytes() == source.paths[was].read_bytes()
        assert read.cameras[row] == source.cameras[was]
        assert read.identities[row] == source.identities[was].replace("_", "")
        torch.testing.assert_close(
            read.poses.joints[row], before.poses.joints[was], rtol=0, atol=0.01
        )
    for name, photo in photos.items():
        row = read.names.index(name)
        assert read.identities[row] == photo.identity == market_name(photo.source).split("_")[0]
        assert read.cameras[row] == photo.camera
    # The same people ask, and the same photos are found, under their new names.
    for found, was, part in zip(
        query_and_gallery(out), query_and_gallery(data), ("query", "gallery"), strict=True
    ):
        assert sorted(found.names) == sorted(market_name(name) for name in parts[part])
        assert sorted(path.read_bytes() for path in found.paths) == sorted(
            path.read_bytes() for path in was.paths
        )
    training = read_training_photos(out, size=(64, 32))
    assert (len(training), int(training.generated.sum()), training.num_classes) == (24, 12, 3)
    tested = read_annotation_csv(out / "market-annotation-test.csv")
    assert set(tested.names) == {market_name(name) for name in parts["gallery"]}
    # As an augmenter of an experiment on the original set, by manifest and by name alone.
    for manifest in (True, False):
        if not manifest:
            (out / MANIFEST).unlink()
        made = GeneratedPhotos.open(out, training_people(data))
        assert not made.strays
        assert set(made.by_source) == set(parts["train"])
        assert all(len(pictures) == 1 for pictures in made.by_source.values())


@pytest.mark.parametrize("writer", WRITERS)
def test_every_format_has_names_in_market_s_style(write_cuhk03, weights, tmp_path, writer):
    parts = write_cuhk03("extracted", tmp_path / "set")
    out = tmp_path / "out"
    augment(tmp_path / "set", out, weights=weights, gate=None, writer=writer)
    if writer == "webdataset":
        assert (out / "train-000000.tar").is_file()
        return
    written = {path.name for path in out.rglob("*.png")}
    assert written == {market_name(name) for of in parts.values() for name in of}


def test_a_test_person_s_photo_or_pose_is_refused_in_every_layout(cuhk03, tmp_path):
    data, parts = cuhk03
    photos, tested = CUHK03(data), CUHK03(data, "test")
    refuse_test_poses(photos, photos, data)
    with pytest.raises(InputError, match="a test identity"):
        refuse_test_poses(tested, photos, data)
    gallery = query_and_gallery(data)[1]
    photos.paths[0].write_bytes(gallery.paths[0].read_bytes())
    with pytest.raises(InputError, match=f"has the same bytes as {gallery.names[0]}"):
        refuse_test_poses(CUHK03(data), photos, data)
    assert parts["train"][0] == photos.names[0]
