"""augment: a Re-ID data set with generated photos of its people added."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.checkpoint import weights_sum
from deformgan.datasets import open_dataset
from deformgan.datasets.market1501 import MarketName
from deformgan.datasets.photo_set import PhotoSet
from deformgan.detectors import load_detector
from deformgan.detectors.pose18 import Pose18
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.predict import PoseTransfer
from deformgan.reid.augment_report import REPORT, AugmentReport, Tally
from deformgan.reid.gate import GateScores, QualityGate
from deformgan.reid.labels import Label, Labels, identities_in
from deformgan.reid.leaks import refuse_test_poses
from deformgan.reid.policies import POLICIES
from deformgan.reid.shards import JPEG_QUALITY, Shards, ShardSettings
from deformgan.reid.writers import Writer, open_writer
from deformgan.reid.writers.writer import UNFINISHED
from deformgan.skeletons.openpose18 import OPENPOSE18

SHARD = 32
DEFAULT_GATE = QualityGate()

# On a core 4 to 8 photos at once are fastest; from 16 on caches overflow.
CPU_BATCH, GPU_BATCH = 8, 256

_WAIT = 0.2  # seconds between looks at what other processes have done


def augment(
    data: Path,
    out: Path,
    *,
    weights: str | Path = "pedestrian",
    per_image: int = 1,
    policy: str = "random",
    labels: Label = "same",
    writer: str = "market1501",
    seed: int = 0,
    tries: int = 4,
    gate: QualityGate | None = DEFAULT_GATE,
    detector: str = "pose18",
    annotations: Path | None = None,
    poses: Path | None = None,
    device: str = "cpu",
    shard_size: int = SHARD,
    batch_size: int | None = None,
    rank: int = 0,
    world: int = 1,
    progress: Callable[..., Iterable[int]] = lambda shards, what: shards,
) -> AugmentReport | None:
    """Adds generated photos of its people to a data set.

    Several processes may work on one folder: each makes every `world`-th shard, and the leading one
    waits for the others' and puts everything in its place. A run that was broken off goes on where
    it was when it is called again with the same settings.

    Args:
        data: The data set. Only its people to train on are painted, and only their poses asked for,
            unless `poses` has others.
        out: Folder of the augmented data set.
        weights: Bundled name or .safetensors file.
        per_image: Generated photos per source.
        policy: How poses are chosen, one of `POLICIES`.
        labels: Whom generated photos are filed under.
        writer: Layout of `out`, one of `WRITERS`.
        seed: Of the choice of poses.
        tries: How many poses are tried at most for a photo that the gate rejects.
        gate: What a generated photo must score; None lets everything pass.
        detector: Looks for the asked joints; see `load_detector`.
        annotations: Table of joints, where it is not in the data set's folder.
        poses: Table of the poses to ask for, in pixels of the generator's images (with layers, of
            the data set's), nobody's to test on; by default those of the people to train on.
        device: Where the networks run.
        shard_size: Sources per shard, the unit that is done or to be done.
        batch_size: Photos painted at once; by default `CPU_BATCH` or `GPU_BATCH`.
        rank: Number of this process.
        world: How many processes there are.
        progress: Passes the numbers of shards on, with a word for what they are, and tells somebody
            how far it is.

    Returns:
        What was done, by all processes; None where this one does not lead.
    """
    for name, given in (("per-image", per_image), ("tries", tries), ("shard-size", shard_size)):
        if given < 1:
            raise InputError(f"--{name} is {given}; it must be at least 1.")
    if policy not in POLICIES:
        raise InputError(f"Unknown policy {policy!r}; choose one of {', '.join(POLICIES)}.")
    transfer = PoseTransfer.load(weights, device, background=False)
    # With layers the photos keep their own size, and what is painted has it too.
    size = None if transfer.layered else transfer.size
    photos = open_dataset(data, split="train", annotations=annotations, size=size, fit="person")
    if not photos.usable.any():
        raise InputError(f"No photo of {data} has a pose with both shoulders and both hips.")
    pool = photos if poses is None else add_poses(photos, poses)
    refuse_test_poses(photos, pool, data, annotations)
    settings = ShardSettings(
        per_image=per_image,
        tries=1 if gate is None else tries,
        seed=seed,
        gate=gate,
        shard_size=shard_size,
        batch_size=batch_size or (CPU_BATCH if torch.device(device).type == "cpu" else GPU_BATCH),
        weights=Path(weights).stem,
        weights_sha256=weights_sum(weights),
    )
    scores = None
    if gate is not None:
        # A second look into a mirror changes one decision in 240 and doubles the time.
        looks = Pose18(mirrored=False) if detector == "pose18" else load_detector(detector)
        scores = GateScores(looks, load_person_embedding().to(device))
    shards = Shards(
        settings,
        photos,
        pool,
        POLICIES[policy](pool, 0 if poses is None else len(photos)),
        transfer.generator,
        Labels.assign(labels, photos.names, identities_in(data)),
        scores,
    )
    described = {
        **asdict(settings),
        "policy": policy,
        "labels": labels,
        "detector": None if gate is None else detector,
        "jpeg_quality": JPEG_QUALITY,
        "device": torch.device(device).type,
        "poses_sha256": _poses_sum(pool),
    }
    folder = open_writer(writer, out, photos, data, described)
    return _run(shards, folder, described, rank, world, progress)


def _run(
    shards: Shards,
    writer: Writer,
    settings: dict[str, Any],
    rank: int,
    world: int,
    progress: Callable[..., Iterable[int]],
) -> AugmentReport | None:
    """Makes this process's shards; the leading process then puts everything in its place."""
    report = writer.out / REPORT
    if writer.complete:
        return AugmentReport.load(report)

    def tally_file(number: int) -> Path:
        return writer.out / UNFINISHED / f"tally-{number:06d}.json"

    # The tally is written last, so a shard without one was broken off.
    mine = [n for n in range(rank, len(shards), world) if not tally_file(n).is_file()]
    for number in progress(mine, "shards"):
        photos, tally = shards.make(number)
        with tally.timed("write"):
            writer.write_shard(number, photos)
        tally.save(tally_file(number))
    if rank > 0:
        return None
    total = Tally()
    for number in range(len(shards)):
        while not tally_file(number).is_file():
            time.sleep(_WAIT)
        total.add(Tally.load(tally_file(number)))
    done = AugmentReport.of(settings, len(shards.photos), len(shards.sources), total)
    done.save_in(writer.out)
    writer.finish(len(shards))
    return done


def add_poses(photos: PhotoSet, table: Path) -> PhotoSet:
    """Puts the poses of a table behind those of photos.

    Args:
        photos: They come first.
        table: An annotation table in pixels of images of their size. Where a name is one of
            Market-1501's, it tells person and camera.
    """
    annotations = read_annotation_csv(table)
    if not annotations.pose.usable(OPENPOSE18).any():
        raise InputError(f"No pose in {table} has both shoulders and both hips.")
    people, cameras = [], []
    for name in annotations.names:
        try:
            field = MarketName.parse(name)
        except InputError:
            people.append(name)
            cameras.append(0)
        else:
            people.append(field.identity)
            cameras.append(field.camera)
    return PhotoSet(
        names=[*photos.names, *annotations.names],
        identities=[*photos.identities, *people],
        cameras=torch.cat([photos.cameras, torch.tensor(cameras)]),
        paths=[*photos.paths, *(table.parent / name for name in annotations.names)],
        poses=Pose.cat([photos.poses, annotations.pose]),
        size=photos.size,
    )


def _poses_sum(photos: PhotoSet) -> str:
    """Tells apart sets of poses."""
    digest = hashlib.sha256("\n".join(photos.names).encode())
    for tensor in (photos.poses.joints, photos.poses.visible):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
