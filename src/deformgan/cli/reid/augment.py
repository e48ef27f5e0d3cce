"""The command `deformgan reid augment`."""

from pathlib import Path

from deformgan.cli.outputs import output_dir, output_file
from deformgan.errors import InputError


def augment(
    *,
    data: Path,
    out: Path,
    weights: str = "pedestrian",
    per_image: int = 1,
    policy: str = "random",
    labels: str = "same",
    format: str = "market1501",
    seed: int = 0,
    tries: int = 4,
    min_pose: float | None = None,
    min_identity: float | None = None,
    min_person: float | None = None,
    no_gate: bool = False,
    detector: str = "pose18",
    annotations: Path | None = None,
    poses: Path | None = None,
    device: str = "cpu",
    shard_size: int = 32,
    batch_size: int | None = None,
    json: Path | None = None,
) -> None:
    """Add generated photos of its people to a Re-ID data set.

    Writes a data set that any reader of the format takes as it is: the originals, to train and to
    test on, and beside them 0002_c1s1_000451_03g1.jpg, ...; and tells in manifest.jsonl what each
    was made from. Only people to train on are painted, and only their poses are asked for. A run
    that was broken off goes on where it was when it is started again. For several processes start
    it with torchrun, or with RANK and WORLD_SIZE set; the bytes are the same.

    Args:
        data: The data set, in the layout of Market-1501.
        out: Folder of the augmented data set; created.
        weights: Bundled weights or a .safetensors file, which paint the photos.
        per_image: Generated photos per original.
        policy: Which poses they get: random, coverage (rare ones first), viewpoint (seen from all
            sides), or same-camera (for a background like the original's).
        labels: Who is in them: the same person, for each person a new one, or soft (anybody, LSRO).
        format: Layout: market1501, torchreid, fastreid, folders, csv or webdataset.
        seed: Of the choice of poses.
        tries: How many poses are tried at most for a photo that is rejected.
        min_pose: Share of the asked joints that a detector must find again.
        min_identity: How alike original and generated photo must be, in [-1, 1].
        min_person: How sure the detector must be that there is somebody, in [0, 1].
        no_gate: Keep every photo, whatever it looks like.
        detector: Looks for joints: pose18 (bundled), or NAME:PATH as in deformgan pose.
        annotations: Table of joints, where it is not in the data set's folder.
        poses: Table of other poses to ask for, in pixels of the generator's images (of weights with
            layers: of the data set's); nobody's to test on.
        device: Where networks run, such as cpu or cuda.
        shard_size: Originals per shard, the unit in which the work is divided and resumed.
        batch_size: Photos painted at once; by default 8 on a CPU, 256 on a GPU.
        json: Where to write the report; OUT/augment-report.json has it without times.
    """
    asked = {"min_pose": min_pose, "min_identity": min_identity, "min_person": min_person}
    limits = {name: limit for name, limit in asked.items() if limit is not None}
    if no_gate and limits:
        flag = next(iter(limits)).replace("_", "-")
        raise InputError(f"--no-gate keeps every photo: --{flag} would never be asked for.")
    if json is not None:
        output_file(json)
    output_dir(out.parent)
    import os

    from deformgan.cli.inputs import check_device
    from deformgan.cli.progress import progress
    from deformgan.detectors import check_detector
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
        labels=label,
        writer=format,
        seed=seed,
        tries=tries,
        gate=None if no_gate else QualityGate(**limits),
        detector=detector,
        annotations=annotations,
        poses=poses,
        device=check_device(device),
        shard_size=shard_size,
        batch_size=batch_size,
        rank=rank,
        world=world,
        progress=progress,
    )
    if report is None:
        return
    if json is not None:
        report.save(json)
    counts = report.counts
    print(f"{counts['originals']} originals, {counts['sources']} of them with a usable pose")
    print(
        f"{counts['written']} of {counts['asked']} photos generated, {counts['rejected']} of "
        f"{counts['drawn']} rejected, {counts['given_up']} places left empty"
    )
    if report.rejected_by:
        print("too low in " + ", ".join(f"{k}: {n}" for k, n in report.rejected_by.items()))
    print(f"wrote {out} and {out / REPORT}")
