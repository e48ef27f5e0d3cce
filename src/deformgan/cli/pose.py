"""`deformgan pose`: photos in, a table of poses out, with a diagnosis of each."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deformgan.cli.detection import Findings
    from deformgan.detectors.repair import Repaired
    from deformgan.photos import Photos
    from deformgan.pose_formats import Annotations

POSE_SUFFIXES = (".csv", ".json")
MOST_LINES = 20  # problems printed; the report has all


def pose(
    images: Path,
    /,
    *,
    out: Path,
    detector: str = "pose18",
    person: int = 0,
    repair: bool = False,
    json: Path | None = None,
) -> None:
    """Detect the pose of a person in every photo, and report which are unusable and why.

    A pose is unusable if nobody was found, a shoulder or hip was not detected, the person is too
    small, or shoulders and hips lie on one line. The output includes photos in which nobody was
    found, without joints, but not photos that cannot be read.

    An interrupted run resumes where it stopped when started again.

    Args:
        images: A folder of photos, or of a folder of photos per person (names are then
            `ann/beach.jpg`), one photo, or a video (needs the extra `video`).
        out: Where to write the poses: .csv, the field's usual table (name:keypoints_y:keypoints_x),
            or .json, our format; its folder must exist.
        detector: Pose detector: pose18 (bundled), or another one as NAME:PATH (movenet, blazepose,
            simcc, vitpose, keypoint_rcnn).
        person: Index of the person by size: 0 is the largest.
        repair: Fill missing joints: from neighbouring frames (videos, and folders whose file names
            number the frames of one sequence), from the rest of the torso, or from the opposite arm
            or leg. Filled joints are listed in the .json, or next to the .csv in
            FILE.repaired.json.
        json: Where to write the counts and the problems of each photo as JSON.
    """
    import sys
    import time

    from deformgan.cli.detection import find_poses
    from deformgan.cli.outputs import beside, output_file
    from deformgan.cli.pictures import check_suffix
    from deformgan.detectors import load_detector
    from deformgan.detectors.repair import repair as repair_poses
    from deformgan.errors import InputError
    from deformgan.files import write_json
    from deformgan.photo_file import describe_others
    from deformgan.photos import Photos
    from deformgan.pose import Pose
    from deformgan.pose_formats import Annotations

    started = time.perf_counter()
    check_suffix(output_file(out), POSE_SUFFIXES)
    if json is not None:
        output_file(json)
    if person < 0:
        raise InputError(f"--person is {person}; it must be 0 (the largest) or more.")
    photos = Photos(images)
    if left_out := describe_others(photos.others):
        print(left_out, file=sys.stderr)
    _check_names(photos.names, out)
    journal = beside(out, "journal")
    settings = _settings(detector, person)
    findings = find_poses(photos, load_detector(detector), person, journal, settings)
    if not findings.found:
        journal.unlink()
        why = next(iter(findings.unreadable.values()))
        raise InputError(f"None of the {len(photos)} photos of {images} can be read: {why}")

    found = findings.found.values()
    sizes = {each.size for each in found}
    poses = Pose.cat([each.pose for each in found])
    times, repaired = None, None
    if repair:
        times = _times(photos, findings)
        repaired = repair_poses(poses, times)
        poses = repaired.pose
    size = sizes.pop() if len(sizes) == 1 else None
    _write_poses(out, Annotations(list(findings.found), poses, size), repaired)
    report = _report(poses, findings, repaired, person)
    if repair:
        report["repaired"]["sequence"] = times is not None
    seconds = time.perf_counter() - started
    _print_report(report, out, json, seconds)
    if json is not None:
        asked = {
            "images": str(images),
            "out": str(out),
            "detector": detector,
            "person": person,
            "repair": repair,
        }
        write_json(json, {**asked, **report, "seconds": seconds})
    journal.unlink()


def _check_names(names: list[str], out: Path) -> None:
    """Check that an annotation table can store the names, before the work starts."""
    from deformgan.errors import InputError

    if out.suffix.lower() != ".csv":
        return
    for name in names:
        if ":" in name or not name.isprintable() or name != name.strip():
            raise InputError(
                f"The name {name!r} cannot be stored in a .csv, which is split at ':' and line "
                "breaks; rename the file or write a .json."
            )


def _settings(detector: str, person: int) -> dict[str, object]:
    """Return everything that detections depend on besides the photo; see `find_poses`."""
    from deformgan import __version__
    from deformgan.photos import file_stamp

    path = Path(detector.partition(":")[2])
    return {
        "version": __version__,
        "detector": detector,
        "model_file": file_stamp(path) if path.is_file() else None,
        "person": person,
    }


def _times(photos: "Photos", findings: "Findings"):
    """Return frame numbers of the photos read, or None if they are not one sequence."""
    import torch

    from deformgan.photos import frame_numbers

    if len({found.size for found in findings.found.values()}) > 1:
        return None
    names = list(findings.found)
    numbers = list(range(len(names))) if photos.is_video else frame_numbers(names)
    return None if numbers is None else torch.tensor(numbers)


def _write_poses(out: Path, annotations: "Annotations", repaired: "Repaired | None") -> None:
    from deformgan.files import write_json
    from deformgan.pose_formats import write_annotation_csv, write_deformgan_json

    flags = None
    if repaired is not None:
        every = zip(annotations.names, repaired.flags(), strict=True)
        flags = {name: how for name, how in every if how}
    if out.suffix.lower() == ".json":
        write_deformgan_json(out, annotations, repaired=flags)
        return
    beside = repaired_path(out)
    if flags is None:
        beside.unlink(missing_ok=True)  # from an earlier run, so it does not match this table
    else:
        write_json(beside, {"repaired": flags})
    write_annotation_csv(out, annotations)


def repaired_path(table: Path) -> Path:
    """Return the path of the list of filled joints of an annotation table."""
    return table.with_suffix(".repaired.json")


def _report(poses, findings: "Findings", repaired: "Repaired | None", person: int) -> dict:
    """Collect the problems of each photo; see `diagnose`."""
    from deformgan.detectors.diagnosis import REASONS, diagnose
    from deformgan.skeletons.openpose18 import OPENPOSE18

    unusable: dict[str, dict[str, str]] = {}
    several: dict[str, dict[str, int]] = {}
    coincident: dict[str, list[str]] = {}
    diagnoses = diagnose(poses, OPENPOSE18)
    for (name, found), diagnosis in zip(findings.found.items(), diagnoses, strict=True):
        if found.num_people > 1:
            several[name] = {
                "people": found.num_people,
                "taken": person,
                "others_half_as_large": found.num_others,
            }
        if diagnosis.coincident:
            coincident[name] = list(diagnosis.coincident)
        if diagnosis.reason is None:
            continue
        words = diagnosis.words
        if diagnosis.reason == "no_person" and found.num_people:
            words = f"no person {person} (numbered from 0): {found.num_people} found"
        unusable[name] = {"reason": diagnosis.reason, "words": words}
    for name, words in findings.unreadable.items():
        unusable[name] = {"reason": "unreadable", "words": words}
    reasons = Counter(entry["reason"] for entry in unusable.values())
    counts = {
        "photos": len(findings.found) + len(findings.unreadable),
        "usable": len(findings.found) + len(findings.unreadable) - len(unusable),
        **{reason: reasons[reason] for reason in (*REASONS, "unreadable")},
        "several_people": len(several),
        "left_and_right_coincide": len(coincident),
        "kept_from_an_earlier_run": findings.num_kept,
    }
    report: dict = {"counts": counts}
    if repaired is not None:
        flags = [how for how in repaired.flags() if how]
        report["repaired"] = {
            "poses": len(flags),
            "joints": dict(Counter(kind for how in flags for kind in how.values())),
        }
    return report | {
        "unusable": unusable,
        "several_people": several,
        "left_and_right_coincide": coincident,
    }


def _print_report(report: dict, out: Path, json: Path | None, seconds: float) -> None:
    from deformgan.detectors.diagnosis import REASONS
    from deformgan.errors import printable

    counts, unusable = report["counts"], report["unusable"]
    for name, entry in list(unusable.items())[:MOST_LINES]:
        print(f"{printable(name)}: {printable(entry['words'])}")
    if len(unusable) > MOST_LINES:
        where = f"see {json}" if json is not None else "use --json FILE for all"
        print(f"... and {len(unusable) - MOST_LINES} more; {where}")
    if counts["kept_from_an_earlier_run"]:
        print(f"{counts['kept_from_an_earlier_run']} photos kept from an interrupted run")
    for reason, words in (REASONS | {"unreadable": "cannot be read"}).items():
        if counts[reason]:
            print(f"{counts[reason]} unusable: {words}")
    if counts["several_people"]:
        others = sum(some["others_half_as_large"] > 0 for some in report["several_people"].values())
        print(
            f"{counts['several_people']} with several people, in {others} of them another is at "
            "least half as large as the one used; --person N selects another"
        )
    if "repaired" in report:
        joints = report["repaired"]["joints"]
        kinds = ", ".join(f"{number} by {kind}" for kind, number in joints.items())
        print(
            f"{sum(joints.values())} joints repaired in {report['repaired']['poses']} poses"
            + (f": {kinds}" if kinds else "")
            + ("; taken as frames of one sequence" * report["repaired"]["sequence"])
        )
        if out.suffix.lower() == ".csv":
            print(repaired_path(out))
    usable = f"{counts['usable']} of {counts['photos']} usable"
    print(f"{out} ({usable}, {seconds:.1f} s)")
