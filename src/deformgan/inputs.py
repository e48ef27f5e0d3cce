"""Photos and poses in every form in which users have them.

A photo is a path, a PIL image or an RGB array. A pose is a photo in which to detect it, a pose file
(annotation CSV, our JSON, OpenPose or COCO JSON) with one pose, FILE:NAME for one of several, or a
`Pose` in pixels of its photo.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from deformgan.detectors import (
    Detection,
    PeopleDetector,
    PoseDetector,
    find_people,
    find_person,
    load_detector,
)
from deformgan.errors import InputError
from deformgan.photo_file import (
    PHOTO_SUFFIXES,
    PhotoError,
    is_photo,
    list_photos,
    looks_like_photo,
    read_photo,
    to_rgb,
)
from deformgan.photos import Photos, natural_order
from deformgan.pixels import Photo
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats import read_annotations, read_single, split_spec
from deformgan.pose_formats.stated_size import match_photo
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.video import VIDEO_SUFFIXES, LiveVideo, is_live

AnyPhoto = str | Path | Image.Image | np.ndarray
AnyDetector = str | PoseDetector | PeopleDetector


@dataclass(frozen=True)
class PosedPhoto:
    """Poses and the photo or frames they belong to.

    Attributes:
        pose: One pose, or one per frame of an animation.
        size: Height and width of the photos; None if a pose file does not state it.
        photo: The photo of a single pose; None if the pose came from a file.
        fps: Frames per second of the video or camera that the poses are from; None if they are from
            files without a clock.
    """

    pose: Pose
    size: tuple[int, int] | None
    photo: Photo | None = None
    fps: float | None = None


AnyPose = AnyPhoto | Pose | PosedPhoto
Progress = Callable[[Iterable[Any], str, int], Iterator[Any]]


def load_photo(photo: AnyPhoto) -> Photo:
    """Return a photo as an RGB array, rotated upright if its EXIF data says so.

    Raises:
        InputError: If the file cannot be read or the array is not RGB bytes.
    """
    if isinstance(photo, str | Path):
        return read_photo(photo)
    if isinstance(photo, Image.Image):
        try:
            return to_rgb(photo)
        except PhotoError as error:
            raise InputError(f"The photo {error}.") from None
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
        raise InputError(
            f"The photo is an array of {photo.dtype} with shape {photo.shape}; it must be uint8, "
            "(height, width, 3)."
        )
    return photo


@cache
def _load_detector_once(name_and_path: str) -> PoseDetector:
    return load_detector(name_and_path)


def open_detector(detector: AnyDetector) -> PoseDetector | PeopleDetector:
    """Return a detector; one given as NAME or NAME:PATH is loaded once."""
    return _load_detector_once(detector) if isinstance(detector, str) else detector


def detect_people(photo: AnyPhoto, detector: AnyDetector = "pose18") -> list[Detection]:
    """Detect everyone in a photo, largest first; see `find_people`."""
    return find_people(open_detector(detector), load_photo(photo))


def detect(
    photo: AnyPhoto, detector: AnyDetector = "pose18", person: int = 0, name: str | None = None
) -> Pose:
    """Detect the pose of one person in a photo.

    Args:
        photo: A photo with at least one person.
        detector: A pose detector, for one person or for several.
        person: Index of the person by size; 0 is the largest.
        name: Name of the photo for messages; by default its path.

    Raises:
        InputError: If there is no such person.
    """
    name = name or (str(photo) if isinstance(photo, str | Path) else "the photo")
    people = detect_people(photo, detector)
    if not people:
        raise InputError(f"No person found in {name}.")
    if not 0 <= person < len(people):
        raise InputError(
            f"There is no person {person} in {name}: {len(people)} found, numbered from 0, the "
            "largest."
        )
    return people[person].pose


def read_source(
    source: AnyPhoto,
    pose: str | Path | Pose | None = None,
    detector: AnyDetector = "pose18",
    person: int = 0,
    skeleton: Skeleton = OPENPOSE18,
    *,
    name: str | None = None,
    min_score: float | None = None,
) -> PosedPhoto:
    """Return the source photo with the pose of its person.

    Args:
        source: The photo.
        pose: Its pose, as a `Pose`, a pose file or FILE:NAME; None to detect it.
        detector: Loaded only if the pose must be detected.
        person: Index of the person by size; 0 is the largest.
        skeleton: Skeleton of the pose.
        name: Name of the photo for messages; by default its path.
        min_score: Least score of a joint in a pose file of a detector.
    """
    photo = load_photo(source)
    if pose is None:
        name = name or (str(source) if isinstance(source, str | Path) else None)
        _check_detectable(skeleton, name, "source_pose=")
        pose = detect(photo, detector, person, name)
    elif not isinstance(pose, Pose):
        single = read_single(str(pose), skeleton=skeleton, min_score=min_score)
        pose = single.pose
        if isinstance(source, str | Path):
            stated = single.size_of(single.names[0])
            pose = match_photo(pose, stated, source, single.source)
    check_inside(pose, photo, name or (str(source) if isinstance(source, str | Path) else None))
    return PosedPhoto(pose, (photo.shape[0], photo.shape[1]), photo)


def check_inside(pose: Pose, photo: Photo, name: str | None = None) -> None:
    """Check that a pose may belong to a photo.

    Joints may be outside, where the photo cuts the person off, but not farther than the photo is
    large.

    Raises:
        InputError: If a visible joint is farther outside.
    """
    seen = pose.joints[pose.visible]
    size = seen.new_tensor([photo.shape[1], photo.shape[0]])
    outside = ((seen < -size) | (seen > 2 * size)).any(dim=-1)
    if outside.any():
        x, y = seen[outside][0].tolist()
        raise InputError(
            f"The pose has a joint at ({x:.0f}, {y:.0f}), far outside {name or 'the photo'} of "
            f"{photo.shape[1]}x{photo.shape[0]} pixels; it must be in pixels of the photo."
        )


def read_target(
    pose: AnyPose,
    detector: AnyDetector = "pose18",
    person: int = 0,
    skeleton: Skeleton = OPENPOSE18,
    *,
    name: str | None = None,
    min_score: float | None = None,
) -> PosedPhoto:
    """Return the target pose.

    Args:
        pose: A pose in any form, see the module.
        detector: Loaded only for a photo.
        person: Index of the person by size; 0 is the largest.
        skeleton: Skeleton of the pose.
        name: Name of the photo for messages; by default its path.
        min_score: Least score of a joint in a pose file of a detector.
    """
    if isinstance(pose, PosedPhoto):
        return pose
    if isinstance(pose, Pose):
        return PosedPhoto(pose, None)
    if isinstance(pose, str | Path):
        named = split_spec(str(pose)) is not None  # a pose's name may end like a photo's
        path = Path(pose)
        if not is_photo(path) and (path.suffix.lower() not in PHOTO_SUFFIXES or named):
            single = read_single(
                str(pose), person=person or None, skeleton=skeleton, min_score=min_score
            )
            return PosedPhoto(single.pose, single.size)
    photo = load_photo(pose)
    name = name or (str(pose) if isinstance(pose, str | Path) else None)
    _check_detectable(skeleton, name, "a pose file")
    size = (photo.shape[0], photo.shape[1])
    return PosedPhoto(detect(photo, detector, person, name), size, photo)


def no_progress(items: Iterable[Any], what: str, total: int) -> Iterator[Any]:
    """Iterate without reporting progress."""
    return iter(items)


def read_frames(
    frames: str | Path,
    detector: AnyDetector = "pose18",
    skeleton: Skeleton = OPENPOSE18,
    progress: Progress = no_progress,
    *,
    min_score: float | None = None,
) -> PosedPhoto:
    """Read or detect the poses of an animation, without smoothing.

    Args:
        frames: A video, a pose file, or a folder of photos or of pose files, one per frame, sorted
            by name (numbers in names compare as numbers); "-" for a video on standard input, or
            "camera:N", which is read until it ends or the user presses Ctrl-C.
        detector: Loaded only for photos and videos.
        skeleton: Skeleton of the poses.
        progress: Called with the frames, a label and their number (0 if unknown); iterates over the
            frames.
        min_score: Least score of a joint in pose files of detectors.

    Returns:
        One pose per frame; no joint is visible in frames where nobody was found.
    """
    if is_live(str(frames)):
        _check_detectable(skeleton, frames, "pose files")
        return _detect_live(LiveVideo(str(frames)), detector, progress)
    frames = Path(frames)
    if frames.is_file() and (frames.suffix.lower() in VIDEO_SUFFIXES or looks_like_photo(frames)):
        _check_detectable(skeleton, frames, "pose files")
        return _detect_photos(Photos(frames), detector, progress)
    if frames.is_file():
        annotations = read_annotations(frames, skeleton, min_score=min_score, skip_odd=True)
        if not annotations.names:
            raise InputError(f"{frames} contains no pose.")
        poses = [annotations[name] for name in annotations.rows]
        return PosedPhoto(Pose.cat(poses), annotations.size)
    if not frames.is_dir():
        raise InputError(f"The frames {frames} do not exist; use a folder, a video or a pose file.")
    photos, others = list_photos(frames)
    if photos:
        _check_detectable(skeleton, frames, "pose files")
        return _detect_photos(Photos(frames), detector, progress)
    pose_files = sorted(
        (file for file in others if file.suffix.lower() == ".json"), key=natural_order
    )
    if not pose_files:
        raise InputError(f"The folder {frames} contains neither photos nor pose files (.json).")
    singles = [_read_frame(file, skeleton, min_score) for file in pose_files]
    return PosedPhoto(Pose.cat([single.pose for single in singles]), singles[0].size)


def _read_frame(file: Path, skeleton: Skeleton, min_score: float | None) -> PosedPhoto:
    annotations = read_annotations(file, skeleton, min_score=min_score, skip_odd=True)
    if not annotations.names:  # OpenPose's output for a frame without a person
        return PosedPhoto(_nobody(skeleton), annotations.size)
    if len(annotations.rows) > 1:
        raise InputError(f"{file} has {len(annotations.rows)} poses, but is one frame of several.")
    return PosedPhoto(annotations[annotations.names[0]], annotations.size)


def _detect_photos(photos: Photos, detector: AnyDetector, progress: Progress) -> PosedPhoto:
    named = ((photo.name, photo.read()) for photo in photos)
    return _join(list(_detect_each(named, len(photos), detector, progress)), photos.fps)


def _detect_live(live: LiveVideo, detector: AnyDetector, progress: Progress) -> PosedPhoto:
    named = ((frame.name, frame.picture()) for frame in live)
    found: list[PosedPhoto] = []
    try:
        for one in _detect_each(named, 0, detector, progress):
            found.append(one)  # noqa: PERF402 - kept if the next one is interrupted
    except KeyboardInterrupt:  # the user has seen enough
        if not found:
            raise
    return _join(found, live.fps)


def _detect_each(
    photos: Iterable[tuple[str, Photo]], count: int, detector: AnyDetector, progress: Progress
) -> Iterator[PosedPhoto]:
    """Detect the largest person in every frame; all must have the same size."""
    finder, before = open_detector(detector), None
    for name, photo in progress(photos, "poses", count):
        size = (photo.shape[0], photo.shape[1])
        before = before or size
        if size != before:
            raise InputError(
                f"{name} is {size[1]}x{size[0]} pixels, but the frames before it are "
                f"{before[1]}x{before[0]}; all frames must have the same size."
            )
        person = find_person(finder, photo)
        yield PosedPhoto(_nobody(OPENPOSE18) if person is None else person.pose, size)


def _join(frames: Sequence[PosedPhoto], fps: float | None) -> PosedPhoto:
    if not frames:
        raise InputError("There are no frames.")
    return PosedPhoto(Pose.cat([frame.pose for frame in frames]), frames[0].size, fps=fps)


def _nobody(skeleton: Skeleton) -> Pose:
    joints = len(skeleton.joints)
    return Pose(torch.zeros(1, joints, 2), torch.zeros(1, joints, dtype=torch.bool))


def _check_detectable(skeleton: Skeleton, photo: Any, instead: str) -> None:
    if skeleton.name != OPENPOSE18.name:
        where = photo if isinstance(photo, str | Path) else "the photo"
        raise InputError(
            f"No detector finds the joints of {skeleton.name} in {where}; use {instead}."
        )
