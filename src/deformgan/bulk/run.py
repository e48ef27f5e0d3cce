"""Bulk: generates the pictures of many photos in many poses.

Threads decode photos and encode pictures beside the network, a few ahead of it, so that memory does
not grow with their number. Every picture is generated alone, and those that exist are kept: an
interrupted run resumes to the same bytes.
"""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from deformgan import staging
from deformgan.bulk.listing import Source, Target
from deformgan.errors import InputError
from deformgan.files import remove_unfinished
from deformgan.inputs import PosedPhoto, Progress, load_photo, no_progress, read_source, read_target
from deformgan.pixels import Photo
from deformgan.predict import AnyBackground, PoseTransfer

Picture = UInt8[np.ndarray, "_ _ channels"]  # RGB or RGBA
Fail = Callable[[str, str], None]

RECORD = "generate.json"  # how the pictures of a folder were made

_AHEAD = 4  # files decoded before they are needed, and pictures not yet written
_MOST_THREADS = 4


@dataclass
class BulkReport:
    """What happened to the pictures of a run.

    Attributes:
        written: Number of new pictures.
        kept: Number of pictures that existed.
        failures: Why photos, poses or pictures failed, by name.
        seconds: Time by activity. The network and the detection of poses run one after the other,
            and wait for the threads (`waiting_...`); decoding and encoding are the threads' time,
            added up.
    """

    written: int = 0
    kept: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bulk:
    """Pictures of many photos in many poses, in one folder.

    Attributes:
        transfer: Generates the pictures.
        sources: Photos, each of a person of its own.
        targets: Target poses.
        out: Folder of the pictures, which are named FROM__TO.
        write: Writes a picture atomically.
        suffix: File format of the pictures.
        pairs: Indices of source and target, ordered by source; by default every photo in every
            pose.
        person: Index of the person in photos, by size.
        pose_person: Index of the person in photos of poses, by size.
        size: See `PoseTransfer`.
        background: See `PoseTransfer`.
        paste: Paste the person into the whole photo, see `PoseTransfer.paste`.
        noise_seed: See `PoseTransfer`; all pictures get the same noise.
    """

    transfer: PoseTransfer
    sources: Sequence[Source]
    targets: Sequence[Target]
    out: Path
    write: Callable[[Path, Picture], None]
    suffix: str = ".png"
    pairs: Sequence[tuple[int, int]] | None = None
    person: int = 0
    pose_person: int = 0
    size: tuple[int, int] | int | None = None
    background: AnyBackground | None = None
    paste: bool = False
    noise_seed: int | None = None

    def __post_init__(self):
        stems = [[Path(one.name).stem for one in some] for some in (self.sources, self.targets)]
        for kind, names in zip(("photos", "poses"), stems, strict=True):
            if twice := _first_repeated(names):
                raise InputError(
                    f"Two {kind} are named {twice}, but pictures are named after them; rename one."
                )
        ambiguous = any("__" in name for names in stems for name in names)
        if ambiguous and (twice := _first_repeated(map(self.file, self))):
            raise InputError(
                f"Two pictures would be named {twice}; rename photos or poses with '__'."
            )

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Iterate over indices of source and target, ordered by source."""
        if self.pairs is not None:
            return iter(self.pairs)
        return product(range(len(self.sources)), range(len(self.targets)))

    def file(self, pair: tuple[int, int]) -> str:
        """Return the file name of a picture."""
        names = self.sources[pair[0]].name, self.targets[pair[1]].name
        return "__".join(Path(name).stem for name in names) + self.suffix

    def run(
        self, progress: Progress = no_progress, failed: Fail = lambda name, reason: None
    ) -> BulkReport:
        """Generate the pictures that do not exist; no other process may write to the folder.

        Args:
            progress: Wraps the iteration over pictures.
            failed: Called with the name of each photo, pose or picture that fails, and the reason.

        Raises:
            InputError: If a picture cannot be written.
        """
        remove_unfinished(self.out)
        existing = set(os.listdir(self.out))
        present = [self.file(pair) in existing for pair in self]
        report = BulkReport(kept=sum(present))
        missing = [pair for pair, kept in zip(self, present, strict=True) if not kept]

        def fail(name: str, reason: str) -> None:
            report.failures[name] = reason
            failed(name, reason)

        clock = _Clock()
        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
            reader = _Reader(self, missing, pool, clock, fail)
            writer = _Writer(self.write, pool, clock)
            for pair in progress(missing, "pictures", len(missing)):
                person, posed = reader.person(pair[0]), reader.pose(pair[1])
                if person is None or posed is None:
                    continue
                file = self.file(pair)
                try:
                    with clock.measures("network"):
                        picture = self._generate(person, posed, self.targets[pair[1]])
                except InputError as error:
                    fail(file, str(error))
                else:
                    writer.write(self.out / file, picture)
                    report.written += 1
            writer.finish()
        report.seconds = clock.seconds
        return report

    def _generate(self, person: PosedPhoto, posed: PosedPhoto, target: Target) -> Picture:
        if self.paste:
            if target.path is not None:
                posed = replace(posed, photo=load_photo(target.path))
            return self.transfer.generate_into([person], posed, noise_seed=self.noise_seed)
        (picture,) = self.transfer.generate(
            [person],
            posed,
            size=self.size,
            background=self.background,
            noise_seed=self.noise_seed,
        )
        return picture


class _Reader:
    """Photos and poses of the pairs of a run, which threads decode ahead.

    Photos and poses are read in the order of their first use. A pose is kept without its photo; of
    the photos of people only the last one is kept.
    """

    def __init__(
        self,
        bulk: Bulk,
        pairs: Sequence[tuple[int, int]],
        pool: ThreadPoolExecutor,
        clock: "_Clock",
        fail: Fail,
    ):
        self._bulk, self._pool, self._clock, self._fail = bulk, pool, clock, fail
        self._people = self._read_people(dict.fromkeys(source for source, _ in pairs))
        self._last: tuple[int, PosedPhoto | None] = (-1, None)
        self._targets = self._read_poses(dict.fromkeys(target for _, target in pairs))
        self._poses: dict[int, PosedPhoto | None] = {}

    def person(self, source: int) -> PosedPhoto | None:
        """Return a photo with its pose; None if it cannot be used."""
        if self._last[0] != source:
            self._last = next(self._people)
        assert self._last[0] == source
        return self._last[1]

    def pose(self, target: int) -> PosedPhoto | None:
        """Return a target pose; None if it cannot be used."""
        while target not in self._poses:
            number, posed = next(self._targets)
            self._poses[number] = posed
        return self._poses[target]

    def _read_people(self, order: Iterable[int]) -> Iterator[tuple[int, PosedPhoto | None]]:
        bulk, transfer = self._bulk, self._bulk.transfer
        for number, photo in self._decoded(order, bulk.sources):
            source = bulk.sources[number]
            name, person = str(source.path), None
            try:
                decoded = self._wait(photo)
                with self._clock.measures("detection"):
                    seen = transfer.detector, bulk.person, transfer.skeleton
                    person = read_source(decoded, source.pose, *seen, name=name)
                transfer.staging.check_torso("source", person.pose)
                # Encoded once for all poses: pairs come person by person.
                person = staging.Source.of(person)
            except InputError as error:
                self._fail(name, str(error))
                person = None
            yield number, person

    def _read_poses(self, order: Iterable[int]) -> Iterator[tuple[int, PosedPhoto | None]]:
        bulk, transfer = self._bulk, self._bulk.transfer
        for number, photo in self._decoded(order, bulk.targets):
            target = bulk.targets[number]
            name, posed = str(target.path or target.name), target.posed
            try:
                if posed is None:
                    decoded = self._wait(photo)
                    with self._clock.measures("detection"):
                        seen = transfer.detector, bulk.pose_person, transfer.skeleton
                        posed = replace(read_target(decoded, *seen, name=name), photo=None)
                transfer.staging.check_torso("target", posed.pose)
            except InputError as error:
                self._fail(name, str(error))
                posed = None
            yield number, posed

    def _decoded(
        self, order: Iterable[int], files: Sequence[Source] | Sequence[Target]
    ) -> Iterator[tuple[int, "Future[Photo] | None"]]:
        """Yield numbers with their photos, some of which are decoded ahead."""
        queue: deque[tuple[int, Future[Photo] | None]] = deque()
        for number in order:
            path = files[number].path
            photo = None if path is None else self._pool.submit(self._decode, path)
            queue.append((number, photo))
            if len(queue) > _AHEAD:
                yield queue.popleft()
        yield from queue

    def _decode(self, path: Path) -> Photo:
        with self._clock.measures("decoding"):
            return load_photo(path)

    def _wait(self, photo: "Future[Photo] | None") -> Photo:
        assert photo is not None
        with self._clock.measures("waiting_for_decoding"):
            return photo.result()


class _Writer:
    """Pictures that threads encode and write."""

    def __init__(
        self, write: Callable[[Path, Picture], None], pool: ThreadPoolExecutor, clock: "_Clock"
    ):
        self._write, self._pool, self._clock = write, pool, clock
        self._unfinished: deque[tuple[Path, Future[None]]] = deque()

    def write(self, path: Path, picture: Picture) -> None:
        """Write a picture in a thread; wait first if too many are unfinished."""
        self.finish(but=_AHEAD)
        self._unfinished.append((path, self._pool.submit(self._encode, path, picture)))

    def finish(self, but: int = 0) -> None:
        """Wait until all but some pictures are written."""
        with self._clock.measures("waiting_for_encoding"):
            while len(self._unfinished) > but:
                path, future = self._unfinished.popleft()
                try:
                    future.result()
                except OSError as error:
                    raise InputError(f"Cannot write {path}: {error.strerror or error}.") from None

    def _encode(self, path: Path, picture: Picture) -> None:
        with self._clock.measures("encoding"):
            self._write(path, picture)


class _Clock:
    """Seconds by activity, in any thread."""

    def __init__(self):
        main = ("detection", "network", "waiting_for_decoding", "waiting_for_encoding")
        self.seconds = dict.fromkeys((*main, "decoding", "encoding"), 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def measures(self, activity: str) -> Generator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[activity] += time.perf_counter() - begun


def _first_repeated(names: Iterable[str]) -> str | None:
    counts = Counter(names)
    return next((name for name, count in counts.items() if count > 1), None)
