"""augment: shards, the gate at work, breaking off, several processes."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.checkpoint import load_generator, save_generator
from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.cuhk03 import CUHK03
from deformgan.datasets.market1501 import Market1501
from deformgan.errors import InputError
from deformgan.files import one_at_a_time
from deformgan.inputs import PosedPhoto, read_source
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, read_annotation_csv, write_annotations
from deformgan.predict import PoseTransfer
from deformgan.reid.augment import PATIENCE, augment
from deformgan.reid.gate import QualityGate
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.reid.policies.coverage import describe_poses
from deformgan.reid.scenes import target_scenes
from deformgan.reid.shards import encode_jpeg

TINY = GeneratorConfig(
    encoder_widths=(4, 4, 4, 4, 4, 4),
    decoder_widths=(4, 4, 4, 4, 4),
    upsampling="resize",
    blend=False,
)
ALL = QualityGate(min_person=0.0, min_pose=0.0, min_identity=-1.0)
COMMAND = "from deformgan.cli.main import main; raise SystemExit(main())"


class BrokenOffError(Exception):
    """What stands for a kill within one process."""


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Path:
    """Five rendered people by four cameras; one photo lacks a hip."""
    folder = tmp_path_factory.mktemp("market")
    (folder / "bounding_box_train").mkdir()
    head, *lines = (FOLDER / "annotation.csv").read_text().splitlines()[:21]
    name, y, x = lines[7].split(":")
    lines[7] = ":".join(
        [name, *(json.dumps([*json.loads(v)[:8], -1, *json.loads(v)[9:]]) for v in (y, x))]
    )
    (folder / "annotation.csv").write_text("\n".join([head, *lines]) + "\n")
    for line in lines:
        photo = line.partition(":")[0]
        shutil.copy(FOLDER / "bounding_box_train" / photo, folder / "bounding_box_train")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A generator that has learnt nothing: what it paints is noise to a detector."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, Generator(TINY), {"size": [128, 64]})
    return path


@pytest.fixture(scope="module")
def few(market) -> Path:
    """The table of its first six photos alone."""
    table = market.with_name("few.csv")
    lines = (market / "annotation.csv").read_text().splitlines()[:7]
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.fixture
def run(market, weights):
    """Augments, by default without a gate, in shards of four."""

    def start(out, **changed):
        settings = {"weights": weights, "gate": None, "shard_size": 4, **changed}
        return augment(market, out, **settings)

    return start


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def numbers(report) -> tuple:
    return report.settings, report.counts, report.rejected_by, report.acceptance


def test_every_usable_photo_gets_its_pictures_and_every_photo_stays(run, market, tmp_path):
    report = run(tmp_path / "out", per_image=2)
    usable = Market1501(market).usable
    assert report.counts == {
        "originals": len(usable),
        "sources": int(usable.sum()),
        "unusable": int((~usable).sum()),
        "asked": 2 * int(usable.sum()),
        "drawn": 2 * int(usable.sum()),
        "written": 2 * int(usable.sum()),
        "rejected": 0,
        "given_up": 0,
    }
    before = content(market)
    after = content(tmp_path / "out")
    added = {Path(name).name for name in after if name.endswith(".jpg") and name not in before}
    expected = {
        f"{Path(name).stem}g{number}.jpg"
        for name, good in zip(Market1501(market).names, usable, strict=True)
        for number in (1, 2)
        if good
    }
    assert added == expected
    assert all(after[name] == value for name, value in before.items() if name.endswith(".jpg"))


def test_the_reader_of_market_1501_reads_it_with_the_joints_that_were_asked_for(
    run, market, tmp_path
):
    run(tmp_path / "out")
    both, originals = Market1501(tmp_path / "out"), Market1501(market)
    assert set(originals.names) < set(both.names)
    asked = read_annotation_csv(market / "annotation.csv")
    for photo in read_manifest(tmp_path / "out" / MANIFEST):
        row = both.names.index(photo.name)
        assert both.identities[row] == photo.identity == photo.source.partition("_")[0]
        assert torch.equal(both.poses.joints[row], asked[photo.target].joints[0])
        assert torch.equal(both.poses.visible[row], asked[photo.target].visible[0])
        assert photo.target != photo.source


def test_a_picture_is_what_the_generator_paints_as_a_jpeg(
    run, market, weights, tmp_path, monkeypatch
):
    # Compared before encoding: a JPEG makes several levels of one, and a batch may round another
    # way than a photo alone.
    encoded = {}

    def encode(picture):
        file = encode_jpeg(picture)
        encoded[file] = picture
        return file

    monkeypatch.setattr("deformgan.reid.shards.encode_jpeg", encode)
    run(tmp_path / "out")
    transfer = PoseTransfer.from_pretrained(weights)
    poses = read_annotation_csv(market / "annotation.csv")
    for photo in read_manifest(tmp_path / "out" / MANIFEST)[:5]:
        source = market / "bounding_box_train" / photo.source
        target = PosedPhoto(poses[photo.target], (128, 64))
        shown = transfer.staging.frame(read_source(source, poses[photo.source]), target)
        with torch.no_grad():
            levels = (transfer.generator(*shown)[0] + 1) * 127.5
        found = encoded[(tmp_path / "out" / "bounding_box_train" / photo.name).read_bytes()]
        # The nearest level, but for what single precision may move it: 1e-4 of the range.
        torch.testing.assert_close(found.float(), levels, rtol=0, atol=0.5 + 0.0255)


def test_a_source_is_encoded_once_for_all_its_pictures_and_tries(run, few, tmp_path, monkeypatch):
    counts, encode = [], Generator.encode

    def count(self, source, scene=True):
        counts.append(len(source.image))
        return encode(self, source, scene)

    monkeypatch.setattr(Generator, "encode", count)
    settings = {"gate": QualityGate(), "annotations": few, "per_image": 2, "tries": 2}
    report = run(tmp_path / "out", batch_size=3, **settings)
    assert report.counts["drawn"] == 2 * 2 * 6
    assert counts == [3, 1, 2]  # shards of four


def test_with_layers_pictures_have_the_size_of_the_data_sets_photos(
    layered_weights, market, tmp_path
):
    large = tmp_path / "large"
    (large / "bounding_box_train").mkdir(parents=True)
    originals = Market1501(market)
    for name in originals.names:
        with Image.open(market / "bounding_box_train" / name) as photo:
            photo.resize((96, 256)).save(large / "bounding_box_train" / name)
    joints = (originals.poses.joints + 0.5) * torch.tensor([1.5, 2.0]) - 0.5
    annotations = Annotations(originals.names, Pose(joints, originals.poses.visible))
    write_annotations(large / "annotation.csv", annotations)
    for data, size in ((market, (64, 128)), (large, (96, 256))):
        out = tmp_path / f"out{size[0]}"
        augment(data, out, weights=layered_weights, gate=None, shard_size=8)
        photos = read_manifest(out / MANIFEST)
        assert photos
        for photo in photos:
            assert Image.open(out / "bounding_box_train" / photo.name).size == size


@pytest.fixture(scope="module")
def layered_run(layered_weights, market, tmp_path_factory):
    """The same pictures in painted scenes and in those of their poses: folders by background."""
    out = tmp_path_factory.mktemp("scenes")
    for background in ("paint", "target"):
        augment(
            market,
            out / background,
            weights=layered_weights,
            gate=None,
            shard_size=8,
            background=background,
        )
    return out


def test_the_background_is_the_photo_of_the_target_pose_without_its_person(
    layered_run, layered_weights, market
):
    photos = Market1501(market)
    painted, moved = (read_manifest(layered_run / name / MANIFEST) for name in ("paint", "target"))
    assert [(photo.name, photo.target) for photo in painted] == [
        (photo.name, photo.target) for photo in moved
    ]
    generator, _ = load_generator(layered_weights)
    for photo in moved[:4]:
        row, at = photos.names.index(photo.source), photos.names.index(photo.target)
        scene = target_scenes(generator, photos, [at])
        source = View(to_float(photos.images[[row]]), photos.poses[[row]])
        wanted = paint(generator, source, photos.poses[[at]], background=scene)
        written = np.array(Image.open(layered_run / "target" / "bounding_box_train" / photo.name))
        # JPEG at quality 95, and a batch of another size.
        away = np.abs(written.astype(float) - wanted[0].permute(1, 2, 0).numpy())
        assert away.mean() < 3


def test_scenes_of_another_set_come_from_its_own_photos(
    layered_weights, market, write_cuhk03, tmp_path
):
    data = tmp_path / "other"
    write_cuhk03("new-protocol", data)
    out = tmp_path / "out"
    augment(
        market,
        out,
        weights=layered_weights,
        gate=None,
        background="target",
        poses=data,
    )
    assert any(photo.target.startswith("other/") for photo in read_manifest(out / MANIFEST))
    assert len(list((out / "bounding_box_train").glob("*g1.jpg"))) > 0


def test_a_background_that_cannot_be_had_is_refused_in_a_line(run, layered_weights, few, tmp_path):
    with pytest.raises(InputError, match=r"tiny.safetensors is a generator without layers"):
        run(tmp_path / "a", background="target")
    with pytest.raises(InputError, match=r"few.csv is a table of poses"):
        run(tmp_path / "b", background="target", weights=layered_weights, poses=few)
    assert not list(tmp_path.iterdir())


def test_a_generator_of_noise_adds_nothing_and_the_report_says_why(run, market, tmp_path):
    report = run(tmp_path / "out", gate=QualityGate(), tries=3)
    counts = report.counts
    assert (counts["written"], counts["given_up"]) == (0, counts["asked"])
    assert counts["rejected"] == counts["drawn"] == 3 * counts["asked"]
    assert report.rejected_by["person"] > 0.8 * counts["drawn"]
    assert report.acceptance == 0.0
    assert read_manifest(tmp_path / "out" / MANIFEST) == []
    assert Market1501(tmp_path / "out").names == Market1501(market).names


def test_rejected_pictures_are_drawn_again_in_other_poses(run, few, tmp_path):
    settings = {"weights": "pedestrian-base", "tries": 4, "annotations": few}
    free = run(tmp_path / "free", gate=ALL, **settings)
    first = {p.name: p for p in read_manifest(tmp_path / "free" / MANIFEST)}
    # Half of what passes without a gate is too little with this one.
    floor = float(np.median([p.scores["identity"] for p in first.values()]))
    gate = QualityGate(min_person=0.0, min_pose=0.0, min_identity=floor)
    report = run(tmp_path / "gated", gate=gate, **settings)
    counts = report.counts
    assert counts["drawn"] == counts["written"] + counts["rejected"]
    assert counts["asked"] == counts["written"] + counts["given_up"]
    assert 0 < counts["rejected"] == report.rejected_by["identity"] < counts["drawn"]
    assert free.counts["rejected"] == 0
    photos = read_manifest(tmp_path / "gated" / MANIFEST)
    assert {p.attempt for p in photos} > {0}
    assert max(p.attempt for p in photos) < 4
    # No pose is taken twice, those that passed at once are those asked for without a gate, and the
    # others are neither.
    assert len({(p.source, p.target) for p in photos}) == len(photos)
    for photo in photos:
        assert photo.scores["identity"] >= floor
        assert (photo.target == first[photo.name].target) == (photo.attempt == 0)
    mean = np.mean([p.scores["identity"] for p in photos])
    assert report.mean_scores["identity"] == pytest.approx(mean)


def cosines(market, out, photo, other):
    """Return the similarity of a generated photo to a real or generated one, from their files."""
    network = load_person_embedding()
    folders = {True: out / "bounding_box_train", False: market / "bounding_box_train"}
    images = [
        torch.from_numpy(np.array(Image.open(folders["g" in name] / name))).permute(2, 0, 1)
        for name in (photo, other)
    ]
    one, two = network(torch.stack(images))
    return float(one @ two)


@pytest.fixture(scope="module")
def varied(market, tmp_path_factory):
    """What a gate writes that asks for variety alone: limits, folder, report."""
    out = tmp_path_factory.mktemp("varied") / "out"
    gate = replace(ALL, max_similarity=0.75, min_pose_distance=0.2)
    settings = {"weights": "pedestrian-base", "gate": gate, "per_image": 3, "shard_size": 4}
    return gate, out, augment(market, out, **settings), settings


def test_pictures_that_pass_are_unlike_all_that_are_there(varied, market):
    gate, out, report, _ = varied
    originals = Market1501(market)
    photos = read_manifest(out / MANIFEST)
    assert report.rejected_by["variety"] == report.counts["rejected"] > 0
    assert len(photos) > len({photo.source for photo in photos}) > 0
    for photo in photos:
        who = photo.source.partition("_")[0]
        real = [
            n for n, one in zip(originals.names, originals.identities, strict=True) if one == who
        ]
        before = [
            other.name
            for other in photos
            if other.source == photo.source
            and (other.attempt, other.number) < (photo.attempt, photo.number)
        ]
        found = max(cosines(market, out, photo.name, other) for other in [*real, *before])
        # The files are JPEG; what was compared was not.
        assert photo.scores["variety"] == pytest.approx(1 - found, abs=0.02)
        assert 1 - photo.scores["variety"] <= gate.max_similarity


def test_poses_that_pass_are_far_from_all_that_are_there(varied, market):
    gate, out, report, _ = varied
    originals = Market1501(market)
    described = describe_poses(originals.poses[originals.usable])
    rows = originals.usable.nonzero()[:, 0].tolist()
    names = {originals.names[row]: pose for row, pose in zip(rows, described, strict=True)}
    photos = read_manifest(out / MANIFEST)
    assert report.rejected_by["pose_variety"] > 0

    def distance(one, two):
        squares = [float(x) ** 2 for x in names[one] - names[two]]
        return (sum(squares) / 18) ** 0.5

    for photo in photos:
        who = photo.source.partition("_")[0]
        there = [name for name in names if name.partition("_")[0] == who]
        others = [p.target for p in photos if p.source == photo.source and p is not photo]
        least = min(distance(photo.target, other) for other in there)
        assert (
            min(least, *(distance(photo.target, o) for o in others), 9.0) >= gate.min_pose_distance
        )
        assert gate.min_pose_distance <= photo.scores["pose_variety"] <= least + 1e-9


def test_variety_does_not_depend_on_who_makes_what(varied, market, tmp_path):
    _, out, report, settings = varied
    augment(market, tmp_path / "two", rank=1, world=2, **settings)
    found = augment(market, tmp_path / "two", rank=0, world=2, **settings)
    assert content(out) == content(tmp_path / "two")
    assert numbers(found) == numbers(report)


def test_tries_end_where_the_pool_of_poses_does(run, few, tmp_path):
    report = run(tmp_path / "out", gate=QualityGate(), tries=50, annotations=few)
    sources = report.counts["sources"]
    assert sources == 6
    assert report.counts["drawn"] == sources * (sources - 1)


def test_poses_of_a_table_are_asked_for_and_no_others(run, market, tmp_path):
    head, *lines = (FOLDER / "annotation.csv").read_text().splitlines()
    table = tmp_path / "poses.csv"
    # Some names tell who it is, some do not.
    lines = [line if row % 2 else f"walk-{line}" for row, line in enumerate(lines[100:120])]
    table.write_text("\n".join([head, *lines]) + "\n")
    run(tmp_path / "out", poses=table)
    known = read_annotation_csv(table)
    photos = read_manifest(tmp_path / "out" / MANIFEST)
    written = read_annotation_csv(tmp_path / "out" / "market-annotation-train.csv")
    assert len(photos) == int(Market1501(market).usable.sum())
    assert len({photo.target for photo in photos}) > 5
    for photo in photos:
        torch.testing.assert_close(written[photo.name].joints, known[photo.target].joints)


@pytest.mark.parametrize("layout", ["first-pair", "new-protocol"])
def test_poses_of_another_sets_training_people_are_asked_for(run, write_cuhk03, tmp_path, layout):
    data = tmp_path / "other"
    parts = write_cuhk03(layout, data)
    run(tmp_path / "out", poses=data)
    photos = read_manifest(tmp_path / "out" / MANIFEST)
    assert len({photo.target for photo in photos}) > 5
    assert {photo.target for photo in photos} <= {f"other/{name}" for name in parts["train"]}
    framed = CUHK03(data, size=(128, 64), fit="person")
    written = read_annotation_csv(tmp_path / "out" / "market-annotation-train.csv")
    for photo in photos:
        row = framed.names.index(photo.target.removeprefix("other/"))
        torch.testing.assert_close(
            written[photo.name].joints, framed.poses[[row]].joints, rtol=0, atol=0.01
        )


def test_the_same_numbers_in_another_set_are_other_people_but_their_photos_are_not(
    weights, write_cuhk03, people, tmp_path
):
    data = tmp_path / "set"
    write_cuhk03("first-pair", data)
    # The other set's training people are numbered like this one's test people.
    other = tmp_path / "other"
    write_cuhk03("first-pair", other)
    table = read_annotation_csv(other / "annotation.csv")
    elsewhere = people(len(table.names), (256, 96), seed=50)
    write_annotations(other / "annotation.csv", Annotations(table.names, elsewhere))
    split = {"train": ["0003", "0004"], "test": ["0000", "0001", "0002"]}
    (other / "identity-split.json").write_text(json.dumps(split))
    settings = {"weights": weights, "gate": None}
    with pytest.raises(InputError, match=r"has the same bytes as 0003_0\d\.jpg, a test photo"):
        augment(data, tmp_path / "a", poses=other, **settings)
    for row, path in enumerate(sorted((other / "images").iterdir())):
        Image.new("RGB", (96, 256), (9 * row, 0, 0)).save(path)
    report = augment(data, tmp_path / "b", poses=other, **settings)
    assert report is not None
    assert report.counts["written"] == 12
    write_annotations(other / "annotation.csv", table)
    with pytest.raises(InputError, match=r"other/000\d_0\d.jpg has the same joints as"):
        augment(data, tmp_path / "c", poses=other, **settings)


def test_a_pose_table_of_a_cuhk03_set_tells_who_it_shows(weights, write_cuhk03, tmp_path):
    data = tmp_path / "set"
    write_cuhk03("first-pair", data)
    table = read_annotation_csv(data / "annotation.csv")
    tested = Annotations(["0003_07.jpg"], Pose(table.pose.joints[[0]], table.pose.visible[[0]]))
    write_annotations(tmp_path / "poses.csv", tested)
    with pytest.raises(InputError, match=r"The pose 0003_07\.jpg shows 0003, a test identity"):
        augment(data, tmp_path / "out", poses=tmp_path / "poses.csv", weights=weights, gate=None)


def test_another_seed_asks_for_other_poses(run, tmp_path):
    targets = []
    for seed in (0, 0, 1):
        out = tmp_path / str(len(targets))
        run(out, seed=seed)
        targets.append([photo.target for photo in read_manifest(out / MANIFEST)])
    assert targets[0] == targets[1] != targets[2]


def test_two_processes_write_the_bytes_of_one(run, tmp_path):
    settings = {"gate": ALL, "per_image": 2}
    whole = run(tmp_path / "one", **settings)
    assert run(tmp_path / "two", rank=1, world=2, **settings) is None
    report = run(tmp_path / "two", rank=0, world=2, **settings)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert numbers(report) == numbers(whole)


class Clock:
    """A clock on which time passes only while somebody sleeps.

    Attributes:
        now: Seconds since it was made.
        at: What to do when so many seconds have passed.
    """

    def __init__(self):
        self.now, self.at = 0.0, {}

    def monotonic(self):
        """Return the time."""
        return self.now

    def sleep(self, seconds):
        """Let time pass."""
        self.now += seconds
        for then in [then for then in self.at if then <= self.now]:
            self.at.pop(then)()


@pytest.fixture
def clock(monkeypatch):
    """The clock of processes that wait for others."""
    clock = Clock()
    monkeypatch.setattr("deformgan.reid.augment.time", clock)
    return clock


def test_the_first_process_makes_what_a_dead_one_left(run, tmp_path, clock):
    def dies(shards, what):
        yield shards[0]
        raise BrokenOffError

    whole = run(tmp_path / "one")
    with pytest.raises(BrokenOffError):
        run(tmp_path / "two", rank=1, world=3, progress=dies)
    made = []

    def noted(shards, what):
        made.append((round(clock.now), list(shards)))
        return shards

    # The second part has one shard left, the third was never begun.
    report = run(tmp_path / "two", rank=0, world=3, progress=noted)
    assert made == [(0, [0, 3]), (PATIENCE, [2]), (2 * PATIENCE, [4])]
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert numbers(report) == numbers(whole)


def test_the_first_process_waits_for_one_that_is_at_work(run, tmp_path, clock):
    whole = run(tmp_path / "one")
    out, held = tmp_path / "two", ExitStack()
    (out / ".unfinished").mkdir(parents=True)
    held.enter_context(one_at_a_time(out / ".unfinished" / ".rank-1.lock", "part 1"))
    clock.at[10.5 * PATIENCE] = held.close
    made = []

    def noted(shards, what):
        made.append((clock.now, list(shards)))
        return shards

    report = run(out, rank=0, world=2, progress=noted)
    assert [shards for _, shards in made] == [[0, 2, 4], [1, 3]]
    assert 10.5 * PATIENCE < made[1][0] <= 11.5 * PATIENCE
    assert content(tmp_path / "one") == content(out)
    assert numbers(report) == numbers(whole)


def test_a_process_that_comes_too_late_is_told_so(run, tmp_path, clock):
    late = []

    def meanwhile(shards, what):
        if clock.now:  # while the first process makes the second's part
            with pytest.raises(InputError, match="is writing part 1 of"):
                run(tmp_path / "out", rank=1, world=2)
            late.append(shards)
        return shards

    assert run(tmp_path / "out", rank=0, world=2, progress=meanwhile) is not None
    assert late == [[1, 3]]


@pytest.mark.parametrize("after", [1, 2, 4])
def test_broken_off_and_begun_again_it_writes_the_bytes_of_an_unbroken_run(run, tmp_path, after):
    def broken(shards, what):
        for number in shards:
            if number == after:
                raise BrokenOffError
            yield number

    whole = run(tmp_path / "whole")
    with pytest.raises(BrokenOffError):
        run(tmp_path / "broken", progress=broken)
    assert not (tmp_path / "broken" / MANIFEST).exists()
    made = []
    report = run(tmp_path / "broken", progress=lambda shards, what: made.extend(shards) or made)
    assert made == list(range(after, 5))
    assert content(tmp_path / "whole") == content(tmp_path / "broken")
    assert numbers(report) == numbers(whole)


def test_a_finished_folder_is_left_as_it_is(run, tmp_path):
    first = run(tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert numbers(run(tmp_path / "out")) == numbers(first)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


@pytest.mark.parametrize(
    "changed",
    [{"seed": 1}, {"per_image": 2}, {"gate": ALL}, {"labels": "new"}, {"shard_size": 5}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_folder_of_other_settings_is_refused(run, tmp_path, changed):
    run(tmp_path / "out")
    before = content(tmp_path / "out")
    with pytest.raises(InputError, match="started with other settings"):
        run(tmp_path / "out", **changed)
    assert content(tmp_path / "out") == before


def test_a_jpeg_is_the_same_bytes_for_the_same_picture_and_near_it():
    random = torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 8, 4, generator=random)
    picture = (torch.nn.functional.interpolate(small, (128, 64), mode="bicubic")[0] * 255).byte()
    file = encode_jpeg(picture)
    assert file == encode_jpeg(picture.clone())
    decoded = np.array(Image.open(io.BytesIO(file))).astype(int)
    assert np.abs(decoded - picture.permute(1, 2, 0).numpy()).mean() < 2


def command(market: Path, weights: Path, out: Path) -> list[str]:
    flags = {"data": market, "weights": weights, "out": out, "per-image": 40, "shard-size": 1}
    named = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    return [*named, "--no-gate"]


@pytest.mark.slow
def test_killed_half_way_and_started_again_it_writes_the_same_bytes(market, weights, tmp_path):
    start = [sys.executable, "-c", COMMAND, "reid", "augment"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*start, *command(market, weights, whole)], check=True, timeout=200)
    process = subprocess.Popen([*start, *command(market, weights, killed)])
    while len(list(killed.glob(".unfinished/tally-*.json"))) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait(timeout=60) == -9
    assert not (killed / MANIFEST).exists()
    subprocess.run([*start, *command(market, weights, killed)], check=True, timeout=200)
    assert content(whole) == content(killed)


@pytest.mark.slow
def test_torchrun_with_two_processes_writes_the_bytes_of_one(market, weights, tmp_path):
    start = [sys.executable, "-c", COMMAND, "reid", "augment"]
    subprocess.run([*start, *command(market, weights, tmp_path / "one")], check=True, timeout=200)
    many = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    many += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "deformgan"]
    many += ["reid", "augment", *command(market, weights, tmp_path / "two")]
    subprocess.run(many, check=True, timeout=280, env=os.environ)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_what_a_process_left_that_was_killed_while_it_cleaned_up_is_removed(
    market, weights, tmp_path
):
    out = tmp_path / "out"
    first = augment(market, out, weights=weights, gate=None)
    assert first is not None
    left = out / ".unfinished" / "shard-000000" / "files"
    left.mkdir(parents=True)
    again = augment(market, out, weights=weights, gate=None)
    assert again is not None
    assert again.counts == first.counts
    assert not (out / ".unfinished").exists()
