"""The command `deformgan reid augment`."""

from pathlib import Path
from typing import Literal

from deformgan.cli.nobody import say_nobody
from deformgan.cli.outputs import output_dir, output_file
from deformgan.errors import InputError


def augment(
    *,
    data: Path,
    out: Path,
    weights: str = "pedestrian",
    per_image: int = 1,
    policy: str = "random",
    background: Literal["paint", "target"] = "paint",
    labels: str = "same",
    format: str = "market1501",
    seed: int = 0,
    tries: int = 4,
    min_pose: float | None = None,
    min_identity: float | None = None,
    min_person: float | None = None,
    max_similarity: float | None = None,
    min_pose_distance: float | None = None,
    no_gate: bool = False,
    detector: str = "pose18",
    annotations: Path | None = None,
    poses: Path | None = None,
    nobody: tuple[str, ...] | None = None,
    device: str = "auto",
    shard_size: int = 32,
    batch_size: int | None = None,
    json: Path | None = None,
) -> None:
    """Augment a person re-identification (Re-ID) data set with generated photos.

    Writes a data set that any reader of the chosen format accepts: the originals (training and
    test) and next to them the generated photos, such as 0002_c1s1_000451_03g1.jpg. manifest.jsonl
    records how each was made. Only training people are painted, and only in poses of training
    people. An interrupted run resumes where it stopped when started again. For several processes,
    use torchrun or set RANK and WORLD_SIZE; the output is identical, byte for byte.

    Args:
        data: The data set, in a layout of Market-1501 or CUHK03. Names are Market-1501's in the
            output: 0007_03.jpg becomes 0007_c1s1_000003_00.jpg.
        out: Output folder of the augmented data set (created if missing).
        weights: Name of bundled weights or a .safetensors file, to paint the photos.
        per_image: Generated photos per original.
        policy: How target poses are chosen: random, coverage (rare poses first), viewpoint (views
            from all sides), or same-camera (for a background like the original's).
        background: What is behind the person: paint, the generator's scene, or target, the scene of
            the target pose's photo, often of another camera, without its person.
        labels: Identity of generated photos: same (that of the original), new (one new identity per
            person), or soft (spread evenly over all identities, LSRO).
        format: Output layout: market1501, torchreid, fastreid, folders, csv or webdataset.
        seed: Random seed for the choice of poses.
        tries: Maximum number of poses to try for a photo that the quality gate rejects.
        min_pose: Minimum share of the target joints that the detector must find again, in [0, 1].
        min_identity: Minimum similarity of the original and the generated photo, in [-1, 1].
        min_person: Minimum confidence of the detector that a person is there, in [0, 1].
        max_similarity: Maximum similarity of a generated photo to any photo of the person that is
            already there (real, or generated from the same original), in [-1, 1]; by default any.
        min_pose_distance: Minimum distance of a target pose to that of any photo of the person that
            is already there, whatever their places and sizes, in torso lengths; by default any.
        no_gate: Keep every photo regardless of quality.
        detector: Pose detector: pose18 (bundled), or NAME:PATH as in `deformgan pose`.
        annotations: Table of joints, if it is not in the data set's folder.
        poses: Target poses to use instead: a table, in pixels of the generator's images (for
            weights with layers, of the data set's images), none of test people; or another data
            set's folder, for the poses of its training people.
        nobody: Identities that are not people, such as -1 0000; by default -1, and also 0000 unless
            training photos, queries or identity-split.json have it as a person.
        device: Device to compute on, such as cpu or cuda.
        shard_size: Originals per shard, the unit of work that is distributed and resumed.
        batch_size: Photos generated at once; by default 8 on a CPU, 256 on a GPU.
        json: Where to write the report as JSON; OUT/augment-report.json is the same without times.
    """
    asked = {
        "min_pose": min_pose,
        "min_identity": min_identity,
        "min_person": min_person,
        "max_similarity": max_similarity,
        "min_pose_distance": min_pose_distance,
    }
    limits = {name: limit for name, limit in asked.items() if limit is not None}
    if no_gate and limits:
        flag = next(iter(limits)).replace("_", "-")
        raise InputError(f"--no-gate keeps every photo, so --{flag} has no effect; remove one.")
    if json is not None:
        output_file(json)
    output_dir(out.parent)
    import os

    from deformgan.cli.progress import progress
    from deformgan.detectors import check_detector
    from deformgan.device import find_device
    from deformgan.reid.augment import augment as run
    from deformgan.reid.augment_report import REPORT
    from deformgan.reid.gate import QualityGate
    from deformgan.reid.labels import LABELS

    check_detector(detector)
    label = next((known for known in LABELS if known == labels), None)
    if label is None:
        raise InputError(f"Unknown labels {labels!r}; choose one of {', '.join(LABELS)}.")
    rank, world = (int(os.environ.get(name, n)) for name, n in (("RANK", 0), ("WORLD_SIZE", 1)))
    if device == "cuda" and "LOCAL_RANK" in os.environ:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    report = run(
        data,
        out,
        weights=weights,
        per_image=per_image,
        policy=policy,
        background=background,
        labels=label,
        writer=format,
        seed=seed,
        tries=tries,
        gate=None if no_gate else QualityGate(**limits),
        detector=detector,
        annotations=annotations,
        poses=poses,
        nobody=nobody,
        device=str(find_device(device)),
        shard_size=shard_size,
        batch_size=batch_size,
        rank=rank,
        world=world,
        progress=progress,
        opened=lambda: say_nobody(nobody, data),
    )
    if report is None:
        return
    if json is not None:
        report.save(json)
    counts = report.counts
    print(f"{counts['originals']} originals, {counts['sources']} of them with a usable pose")
    print(
        f"{counts['written']} of {counts['asked']} photos generated, {counts['rejected']} of "
        f"{counts['drawn']} rejected, {counts['given_up']} given up"
    )
    low = {name: count for name, count in report.rejected_by.items() if name != "pose_variety"}
    if low:
        print("rejected for a low score in " + ", ".join(f"{k}: {n}" for k, n in low.items()))
    if len(low) < len(report.rejected_by):
        print(f"{report.rejected_by['pose_variety']} poses passed over, too near to those there")
    print(f"wrote {out} and {out / REPORT}")
