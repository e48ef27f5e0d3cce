"""Which photos and which poses, without reading a photo."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from deformgan.datasets.pairs import read_pairs
from deformgan.errors import InputError
from deformgan.inputs import PosedPhoto
from deformgan.photo_file import list_photos, looks_like_photo
from deformgan.photos import natural_order
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats import Annotations, read_annotations, read_single
from deformgan.pose_formats.annotations import largest
from deformgan.pose_formats.stated_size import match_photo

POSE_SUFFIXES = (".csv", ".json")


@dataclass(frozen=True)
class Source:
    """A photo of a person.

    Attributes:
        name: Name of its file, which identifies it in pair tables and pose files.
        path: Its file.
        pose: Its pose; None to detect it.
    """

    name: str
    path: Path
    pose: Pose | None = None


@dataclass(frozen=True)
class Target:
    """A target pose.

    Attributes:
        name: Name of the photo or the pose file, or of the pose in a file with several.
        path: A photo in which to detect it; None for a pose from a file.
        posed: The pose from a file; None for a photo.
    """

    name: str
    path: Path | None = None
    posed: PosedPhoto | None = None


def list_sources(
    words: Iterable[str],
    source_pose: str | None = None,
    skeleton: Skeleton | None = None,
    min_score: float | None = None,
) -> list[Source]:
    """List photos.

    Args:
        words: Photos, and folders of photos.
        source_pose: A pose file with the poses of all photos by file name, or for a single photo
            any pose file or FILE:NAME; by default poses are detected.
        skeleton: Skeleton of the poses.
        min_score: Least score of a joint in pose files of detectors.
    """
    paths = list(chain.from_iterable(_photos(Path(word)) for word in words))
    sources = [Source(path.name, path) for path in paths]
    if source_pose is None:
        return sources
    if len(sources) == 1:
        return [
            replace(
                sources[0],
                pose=read_single(source_pose, skeleton=skeleton, min_score=min_score).pose,
            )
        ]
    annotations = read_annotations(source_pose, skeleton, min_score=min_score)
    lacking = [source.name for source in sources if source.name not in annotations]
    if lacking:
        raise InputError(
            f"{source_pose} has no pose for {len(lacking)} of {len(sources)} photos, first "
            f"{lacking[0]}."
        )
    return [replace(one, pose=_match(annotations, one.name, one)) for one in sources]


def list_targets(
    words: Iterable[str],
    person: int = 0,
    skeleton: Skeleton | None = None,
    min_score: float | None = None,
) -> list[Target]:
    """List target poses.

    Args:
        words: Photos, pose files with any number of poses, FILE:NAME for one of them, and folders
            of photos or of pose files.
        person: Index of the person in a pose file with several people per image, in the file's
            order; 0 is the largest.
        skeleton: Skeleton of the poses.
        min_score: Least score of a joint in pose files of detectors.
    """
    return list(chain.from_iterable(_targets(word, person, skeleton, min_score) for word in words))


def find_pairs(
    table: Path, sources: Sequence[Source], targets: Sequence[Target]
) -> list[tuple[int, int]]:
    """Read a pair table (`from,to`) as indices of photos and poses, in the photos' order."""
    places = [{one.name: place for place, one in enumerate(some)} for some in (sources, targets)]
    pairs = []
    for pair in dict.fromkeys(read_pairs(table)):
        for name, known, kind in zip(pair, places, ("photos", "poses"), strict=True):
            if name not in known:
                raise InputError(f"{table} contains {name!r}, which is none of the {kind}.")
        pairs.append((places[0][pair[0]], places[1][pair[1]]))
    return sorted(pairs)


def _photos(path: Path) -> list[Path]:
    if path.is_dir():
        photos = sorted(list_photos(path)[0], key=natural_order)
        if not photos:
            raise InputError(f"The folder {path} contains no photos.")
        return photos
    if not path.exists():
        raise InputError(f"{path} does not exist; use photos or folders of photos.")
    if not looks_like_photo(path):
        raise InputError(f"{path} is neither a folder nor a photo.")
    return [path]


def _targets(
    word: str, person: int, skeleton: Skeleton | None, min_score: float | None
) -> list[Target]:
    path = Path(word)
    if path.is_dir():
        photos, others = list_photos(path)
        if photos:
            return [Target(photo.name, photo) for photo in sorted(photos, key=natural_order)]
        files = [file for file in others if file.suffix.lower() in POSE_SUFFIXES]
        if not files:
            raise InputError(
                f"The folder {path} contains neither photos nor pose files "
                f"({', '.join(POSE_SUFFIXES)})."
            )
        files.sort(key=natural_order)
        return list(
            chain.from_iterable(_poses(file, person, skeleton, min_score) for file in files)
        )
    if path.is_file() and looks_like_photo(path):
        return [Target(path.name, path)]
    if path.is_file():
        return _poses(path, person, skeleton, min_score)
    single = read_single(word, person=person or None, skeleton=skeleton, min_score=min_score)
    return [Target(single.names[0], posed=PosedPhoto(single.pose, single.size))]


def _poses(
    path: Path, person: int, skeleton: Skeleton | None, min_score: float | None
) -> list[Target]:
    """List the poses of a file; a single pose is named after the file."""
    annotations = read_annotations(path, skeleton, min_score=min_score)
    if not annotations.rows:
        raise InputError(f"{path} contains no pose.")
    names = list(annotations.rows)
    called = names if len(names) > 1 else [path.name]
    return [
        Target(name, posed=PosedPhoto(_choose(annotations, row, person), annotations.size))
        for name, row in zip(called, names, strict=True)
    ]


def _choose(annotations: Annotations, name: str, person: int) -> Pose:
    people = annotations.people(name)
    if not person:
        return largest(people)
    if person >= len(people):
        raise InputError(
            f"{annotations.source} has no person {person} in {name!r}; there are {len(people)}, "
            "counted from 0."
        )
    return people[[person]]


def _match(annotations: Annotations, name: str, source: Source) -> Pose:
    """Return a source's pose in pixels of its upright photo."""
    stated = annotations.size_of(name)
    return match_photo(annotations[name], stated, source.path, annotations.source)
