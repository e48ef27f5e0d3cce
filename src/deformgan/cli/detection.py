"""find_poses: detect the pose in every photo, resuming an interrupted run.

This imports torch, so commands import it inside their functions.
"""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import torch

from deformgan.cli.progress import progress
from deformgan.detectors import PeopleDetector, PoseDetector, find_people
from deformgan.detectors.diagnosis import count_others
from deformgan.errors import InputError
from deformgan.files import one_at_a_time, read_back
from deformgan.photos import Photo, Photos
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18


@dataclass(frozen=True)
class Found:
    """Detections in one photo.

    Attributes:
        size: Height and width of the photo.
        num_people: Number of people detected.
        num_others: Number of other people at least half as large as the one used.
        joints: (x, y) of every joint in pixels.
        visible: Whether each joint was detected; all False if nobody was found.
    """

    size: tuple[int, int]
    num_people: int
    num_others: int
    joints: list[list[float]]
    visible: list[bool]

    @property
    def pose(self) -> Pose:
        """The joints as a batch of one pose."""
        return Pose(torch.tensor([self.joints]), torch.tensor([self.visible]))


@dataclass
class Findings:
    """Detections in all photos.

    Attributes:
        found: By name of the photo, in order.
        unreadable: Names of photos that cannot be read, with the error.
        num_kept: Number of entries of `found` that come from an interrupted run.
    """

    found: dict[str, Found] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    num_kept: int = 0


def find_poses(
    photos: Photos,
    detector: PoseDetector | PeopleDetector,
    person: int,
    journal: Path,
    settings: dict[str, object],
) -> Findings:
    """Detect a person in every photo.

    Args:
        photos: Photos to search.
        detector: A pose detector, for one person or for several.
        person: Index of the person by size; 0 is the largest.
        journal: File that records each detection at once, so that an interrupted run can resume.
            The caller removes it once the results are saved.
        settings: Everything else that the detections depend on. A journal with other settings is
            started over, and a photo that changed since is searched again.
    """
    findings = Findings()
    lock = journal.with_name(f"{journal.name}.lock")
    with (
        one_at_a_time(lock, f"what {journal.name} records"),
        _open_journal(journal, settings) as (notes, kept),
    ):
        for photo in progress(photos, "photos", len(photos)):
            found = kept.get((photo.name, photo.stamp))
            if found is not None:
                findings.num_kept += 1
            else:
                try:
                    found = _look(photo, detector, person)
                except InputError as error:
                    findings.unreadable[photo.name] = str(error)
                    continue
                note = {"name": photo.name, "stamp": photo.stamp, "found": asdict(found)}
                notes.write(json.dumps(note) + "\n")
                notes.flush()
            findings.found[photo.name] = found
    return findings


def _look(photo: Photo, detector: PoseDetector | PeopleDetector, person: int) -> Found:
    picture = photo.read()
    people = find_people(detector, picture)
    size = (picture.shape[0], picture.shape[1])
    if person < len(people):
        everybody = Pose.cat([detection.pose for detection in people])
        pose, others = everybody[[person]], count_others(everybody, person)
        # Coordinates of joints that are not visible are meaningless, so they are not recorded.
        joints = pose.joints[0].masked_fill(~pose.visible[0, :, None], 0.0)
        return Found(size, len(people), others, joints.tolist(), pose.visible[0].tolist())
    count = len(OPENPOSE18.joints)
    return Found(size, len(people), 0, [[0.0, 0.0]] * count, [False] * count)


@contextmanager
def _open_journal(
    path: Path, settings: dict[str, object]
) -> Generator[tuple[IO[str], dict[tuple[str, tuple[int, int]], Found]]]:
    """Open the journal of a run: a line of settings, then a line per photo.

    Yields:
        The file to append to, and the earlier detections by name and stamp.
    """
    head = json.dumps(settings).encode() + b"\n"
    written = path.read_bytes() if path.is_file() else b""
    if not written.startswith(head):
        path.write_bytes(head)
        written = head
    # Drop a last line that was cut off when the run was interrupted.
    whole = written[: written.rfind(b"\n") + 1]
    os.truncate(path, len(whole))
    kept = {}
    with read_back(path):
        for line in whole[len(head) :].splitlines():
            note = json.loads(line)
            size = tuple(note["found"].pop("size"))
            found = Found(size=size, **note["found"])
            found.pose.usable(OPENPOSE18)  # has the numbers of a pose
            kept[note["name"], tuple(note["stamp"])] = found
    with path.open("a") as notes:
        yield notes, kept
