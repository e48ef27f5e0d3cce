"""Augmentation of a Re-ID data set with generated photos of its training identities."""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.checkpoint import weights_sum
from deformgan.datasets import open_dataset
from deformgan.datasets.market_name import MarketName
from deformgan.datasets.named_photos import PhotoName
from deformgan.datasets.photo_set import PhotoSet
from deformgan.detectors import load_detector
from deformgan.detectors.pose18 import Pose18
from deformgan.errors import InputError
from deformgan.files import one_at_a_time
from deformgan.framing import Framing
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.predict import PoseTransfer
from deformgan.reid.augment_report import REPORT, AugmentReport, Tally
from deformgan.reid.gate import GateScores, QualityGate
from deformgan.reid.labels import Label, Labels, identities_in
from deformgan.reid.layout import Layout
from deformgan.reid.leaks import refuse_test_poses
from deformgan.reid.policies import POLICIES
from deformgan.reid.shards import JPEG_QUALITY, Background, Shards, ShardSettings
from deformgan.reid.writers import Writer, open_writer
from deformgan.reid.writers.writer import UNFINISHED

SHARD = 32
DEFAULT_GATE = QualityGate()

# On one core, 4 to 8 photos at once are fastest; from 16 on they overflow the caches.
CPU_BATCH, GPU_BATCH = 8, 256

_WAIT = 0.2  # polling interval in seconds
PATIENCE = 60  # seconds without a shard after which rank 0 checks whether its rank is still there


def augment(
    data: Path,
    out: Path,
    *,
    weights: str | Path = "pedestrian",
    per_image: int = 1,
    policy: str = "random",
    background: Background = "paint",
    labels: Label = "same",
    writer: str = "market1501",
    seed: int = 0,
    tries: int = 4,
    gate: QualityGate | None = DEFAULT_GATE,
    detector: str = "pose18",
    annotations: Path | None = None,
    poses: Path | None = None,
    nobody: Collection[str] | None = None,
    device: str = "cpu",
    shard_size: int = SHARD,
    batch_size: int | None = None,
    rank: int = 0,
    world: int = 1,
    progress: Callable[..., Iterable[int]] = lambda shards, what: shards,
    opened: Callable[[], None] = lambda: None,
) -> AugmentReport | None:
    """Add generated photos of its training identities to a data set.

    Several processes may share one output folder: each generates every `world`-th shard, and rank 0
    waits for the others and assembles the result. It also generates the shards of a rank that died
    or never started, since they do not depend on who generates them. An interrupted run resumes
    when it is called again with the same settings.

    Args:
        data: Data set folder. Sources are its training photos, and so are the target poses unless
            `poses` is set.
        out: Output folder.
        weights: Bundled name or .safetensors file.
        per_image: Generated photos per source.
        policy: How target poses are chosen, one of `POLICIES`.
        background: What is behind the person: "paint", the generator's scene; "target", that of
            the photo of the target pose, without its person.
        labels: Which identity generated photos are labelled with.
        writer: Layout of `out`, one of `WRITERS`.
        seed: Random seed for the choice of poses.
        tries: Maximum number of poses to try per photo while the gate rejects it.
        gate: Minimum scores of a generated photo; None accepts everything. Poses that are passed
            over for `min_pose_distance` do not count as tries.
        detector: Pose detector that scores generated photos; see `load_detector`.
        annotations: Annotation table, if it is not in the data set's folder.
        poses: Annotation table of target poses, in pixels of the generator's images (of the data
            set's with a layered generator), none of a test identity; or the folder of another data
            set, see `add_poses`; defaults to the training poses.
        nobody: Identities that are not people; by default decided by the data, see `find_nobody`.
        device: Device for the networks.
        shard_size: Sources per shard, the unit of resumption.
        batch_size: Photos per forward pass; defaults to `CPU_BATCH` or `GPU_BATCH`.
        rank: Rank of this process.
        world: Number of processes.
        progress: Wraps the iterable of shard numbers to report progress; also takes the unit's
            name.
        opened: Called once the data set is known to be usable, before anything is generated.

    Returns:
        Report over all processes; None unless this is rank 0.
    """
    for name, given in (("per-image", per_image), ("tries", tries), ("shard-size", shard_size)):
        if given < 1:
            raise InputError(f"--{name} is {given}; it must be at least 1.")
    if gate is not None:
        gate.check()
    if policy not in POLICIES:
        raise InputError(f"Unknown policy {policy!r}; choose one of {', '.join(POLICIES)}.")
    transfer = PoseTransfer.from_pretrained(weights, device, background=False)
    if background == "target":
        if not transfer.layered:
            raise InputError(
                f"The background is target, but {weights} is a generator without layers, which "
                "can only paint scenes."
            )
        if poses is not None and not poses.is_dir():
            raise InputError(
                f"The background is target, but {poses} is a table of poses; give the folder of "
                "their photos as --poses, or leave it out."
            )
    # A layered generator keeps the photos' own size.
    size = None if transfer.layered else transfer.size
    photos = open_dataset(
        data, split="train", annotations=annotations, size=size, fit="person", nobody=nobody
    )
    if not photos.usable.any():
        raise InputError(f"No photo of {data} has a pose with both shoulders and both hips.")
    pool = photos if poses is None else add_poses(photos, poses, Layout.find(data).parse)
    refuse_test_poses(photos, pool, data, annotations, nobody)
    settings = ShardSettings(
        per_image=per_image,
        tries=1 if gate is None else tries,
        seed=seed,
        gate=gate,
        shard_size=shard_size,
        batch_size=batch_size or (CPU_BATCH if torch.device(device).type == "cpu" else GPU_BATCH),
        weights=Path(weights).stem,
        weights_sha256=weights_sum(weights),
        background=background,
    )
    scores = None
    if gate is not None:
        # Detection on the mirrored image too changes one decision in 240 and doubles the time.
        own = detector == "pose18"
        looks = Pose18(mirrored=False, device=device) if own else load_detector(detector)
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
    opened()
    return _run(shards, folder, described, rank, world, progress)


def _run(
    shards: Shards,
    writer: Writer,
    settings: dict[str, Any],
    rank: int,
    world: int,
    progress: Callable[..., Iterable[int]],
) -> AugmentReport | None:
    """Generate this process's shards; on rank 0, then assemble the result."""
    report = writer.out / REPORT
    if writer.complete:
        if rank == 0:
            writer.finish()  # killed while it cleaned up
        return AugmentReport.load(report)

    def tally_file(number: int) -> Path:
        return writer.out / UNFINISHED / f"tally-{number:06d}.json"

    def locked(part: int) -> AbstractContextManager[None]:
        lock = writer.out / UNFINISHED / f".rank-{part}.lock"
        return one_at_a_time(lock, f"part {part} of {writer.out}")

    def make(part: int) -> None:
        # The tally is written last, so a shard without one is incomplete.
        left = [n for n in range(part, len(shards), world) if not tally_file(n).is_file()]
        for number in progress(left, "shards"):
            photos, tally = shards.make(number)
            with tally.timed("write"):
                writer.write_shard(number, photos)
            tally.save(tally_file(number))

    (writer.out / UNFINISHED).mkdir(parents=True, exist_ok=True)
    with locked(rank):
        make(rank)
    if rank > 0:
        return None
    total = Tally()
    for number in range(len(shards)):
        waited_from = time.monotonic()
        while not tally_file(number).is_file():
            if not tally_file(number).parent.is_dir():
                raise InputError(f"The folder {writer.out} was removed while it was written.")
            if time.monotonic() - waited_from < PATIENCE:
                time.sleep(_WAIT)
                continue
            with ExitStack() as held:
                try:
                    held.enter_context(locked(number % world))
                except InputError:  # at work, only slowly
                    waited_from = time.monotonic()
                else:
                    make(number % world)
        total.add(Tally.load(tally_file(number)))
    done = AugmentReport.of(settings, len(shards.photos), len(shards.sources), total)
    done.save_in(writer.out)
    writer.finish(len(shards))
    return done


def add_poses(
    photos: PhotoSet, given: Path, parse: Callable[[str], PhotoName] = MarketName.parse
) -> PhotoSet:
    """Append further poses to a photo set.

    Args:
        photos: Photo set that comes first.
        given: Annotation table in pixels of images of the same size; or the folder of another data
            set, for the poses of its training people, framed to that size as its photos would be.
            Its names and identities begin with the folder's name: 0007 is somebody else there.
        parse: Parses the names of a table into identity and camera, where they are such names.
    """
    if given.is_dir():
        others = _poses_of_data(given, photos.size)
    else:
        others = _poses_of_table(given, photos.size, parse)
    if not others.usable.any():
        raise InputError(f"No pose in {given} has both shoulders and both hips.")
    return PhotoSet(
        names=[*photos.names, *others.names],
        identities=[*photos.identities, *others.identities],
        cameras=torch.cat([photos.cameras, others.cameras]),
        paths=[*photos.paths, *others.paths],
        poses=Pose.cat([photos.poses, others.poses]),
        size=photos.size,
        framings=[*_framings(photos), *_framings(others)],
    )


def _framings(photos: PhotoSet) -> Sequence[Framing]:
    return photos.framings or [Framing.padded(photos.size, photos.size)] * len(photos)


def _poses_of_data(data: Path, size: tuple[int, int]) -> PhotoSet:
    others = open_dataset(data, split="train", size=size, fit="person")
    name = data.resolve().name
    return PhotoSet(
        names=[f"{name}/{photo}" for photo in others.names],
        identities=[f"{name}/{who}" for who in others.identities],
        cameras=torch.zeros_like(others.cameras),  # none of this set's
        paths=others.paths,
        poses=others.poses,
        size=size,
        framings=others.framings,
    )


def _poses_of_table(
    table: Path, size: tuple[int, int], parse: Callable[[str], PhotoName]
) -> PhotoSet:
    annotations = read_annotation_csv(table)
    people, cameras = [], []
    for name in annotations.names:
        try:
            field = parse(name)
        except InputError:
            people.append(name)
            cameras.append(0)
        else:
            people.append(field.identity)
            cameras.append(field.camera)
    return PhotoSet(
        names=annotations.names,
        identities=people,
        cameras=torch.tensor(cameras),
        paths=[table.parent / name for name in annotations.names],
        poses=annotations.pose,
        size=size,
    )


def _poses_sum(photos: PhotoSet) -> str:
    """Return the SHA-256 of a photo set's names and poses."""
    digest = hashlib.sha256("\n".join(photos.names).encode())
    for tensor in (photos.poses.joints, photos.poses.visible):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
