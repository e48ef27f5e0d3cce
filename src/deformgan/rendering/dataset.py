"""render_dataset: rendered people in the layout of Market-1501, with full ground truth."""

import json
import platform
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from deformgan.datasets.surfaces import SURFACES, write_surface
from deformgan.errors import InputError
from deformgan.files import (
    is_unfinished,
    one_at_a_time,
    remove_unfinished,
    write_image,
    write_json,
)
from deformgan.pixels import to_bytes
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotation_csv import read_annotation_csv, write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.rendering.animals.body import QUADRUPED20
from deformgan.rendering.animals.picture import (
    AnimalShot,
    render_animals,
    sample_animal_shot,
    sample_individual,
)
from deformgan.rendering.body import load_body_model
from deformgan.rendering.crowd import sample_passersby
from deformgan.rendering.framing import Framing, activate, tighten, widen
from deformgan.rendering.identity import Identity, sample_identity
from deformgan.rendering.people import Shot, render_people
from deformgan.rendering.picture import Rendered
from deformgan.rendering.posture import sample_posture
from deformgan.rendering.scene import sample_camera, sample_light, sample_place
from deformgan.rendering.things import Kind, Thing, sample_thing
from deformgan.rendering.workers import worker_pool
from deformgan.skeletons.openpose18 import OPENPOSE18

IMAGES, MASKS, BACKGROUNDS = "bounding_box_train", "masks", "backgrounds"
TABLE, MANIFEST = "annotation.csv", "manifest.json"
Subject = Literal["people", "quadruped"]
Taken = TypeVar("Taken")  # a shot of people or of animals

MOST_PEOPLE = 99_999  # per seed, so that seeds share no people
JPEG_QUALITY = 92

_UNFINISHED = ".unfinished"  # folder with a table for every person already rendered
_PLACES = 600
_ATTEMPTS = 100
_BEFORE: dict[Kind, float] = {"bicycle": 0.36, "post": 0.2, "bin": 0.12, "pram": 0.14, "rail": 0.18}
_LOW: dict[Kind, float] = {"bin": 0.7, "rail": 0.3}  # things that hide only the legs


@dataclass(frozen=True)
class Plan:
    """What to render; a picture depends only on `seed`, `size`, `framing`, person and view.

    Attributes:
        people: Number of people, counted from 1.
        per_person: Pictures of each, from as many cameras.
        size: (height, width) in pixels.
        seed: Random seed of the whole set; another seed yields other people.
        framing: How much of the person the crop shows.
        kind: People, or a kind of animal, which are then counted as `people` too.
    """

    people: int
    per_person: int
    size: tuple[int, int] = (128, 64)
    seed: int = 0
    framing: Framing = "pedestrian"
    kind: Subject = "people"

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton of the pictures' joints."""
        return OPENPOSE18 if self.kind == "people" else QUADRUPED20

    def seed_of(self, number: int) -> int:
        """Return the seed from which a person or an animal is sampled."""
        return self.seed * (MOST_PEOPLE + 1) + number

    def identity(self, number: int) -> Identity:
        """Return the person of a number."""
        return sample_identity(self.seed_of(number))

    def name(self, number: int, view: int) -> str:
        """Return a file name as in Market-1501: person, camera, sequence, frame, box."""
        return f"{number:04d}_c{view + 1}s1_{number:06d}_00.jpg"


def sample_shot(
    identity: Identity, seed: int, view: int, attempt: int = 0, framing: Framing = "pedestrian"
) -> Shot:
    """Sample the posture, place and camera of one picture.

    Args:
        identity: The person.
        seed: Random seed of the whole data set.
        view: Index of the picture of this person.
        attempt: Index of the attempt; each yields a different picture.
        framing: How much of the person the crop shows.
    """
    random = np.random.default_rng([identity.seed, seed, view, attempt])
    place = sample_place(int(random.integers(_PLACES)))
    x, y = random.normal(0, 3, 2)
    shot = Shot(
        identity=identity,
        posture=sample_posture(random),
        camera=sample_camera(random),
        light=sample_light(random),
        place=replace(place, offset=(float(x), float(y))),
        others=sample_passersby(random),
        before=_sample_before(random),
        seed=int(random.integers(1 << 30)),
    )
    if framing == "tight":
        shot = tighten(shot, random)
        if random.random() < 0.25 and not shot.before:
            x = float(random.normal(0, 0.4))
            before = sample_thing(random, _LOW, x, float(random.uniform(-1.5, -0.5)))
            return replace(shot, before=(before,))
        return shot
    if framing == "active":
        return activate(shot, random)
    return widen(shot, random) if framing == "wide" else shot


def _sample_before(random: np.random.Generator) -> tuple[Thing, ...]:
    if random.random() > 0.08:
        return ()
    x = float(random.choice([-1, 1]) * random.uniform(0.1, 0.75))
    return (sample_thing(random, _BEFORE, x, float(random.uniform(-1.5, -0.5))),)


def render_usable(
    shots: Sequence[Callable[[int], Taken]],
    size: tuple[int, int],
    render: Callable[[Sequence[Taken], tuple[int, int]], Rendered],
    skeleton: Skeleton,
) -> list[Rendered]:
    """Render one usable picture per shot, with all mandatory joints visible.

    Args:
        shots: Functions that return the picture to take at the nth attempt, from 0. A picture
            unusable for training (a hip out of the frame or behind a bicycle) is retaken with the
            next attempt.
        size: (height, width) in pixels.
        render: Renders the pictures.
        skeleton: Skeleton of their joints.
    """
    taken: dict[int, Rendered] = {}
    for attempt in range(_ATTEMPTS):
        missing = [row for row in range(len(shots)) if row not in taken]
        if not missing:
            return [taken[row] for row in range(len(shots))]
        rendered = render([shots[row](attempt) for row in missing], size)
        usable = rendered.pose.usable(skeleton).tolist()
        taken |= {
            row: rendered[n]
            for n, (row, use) in enumerate(zip(missing, usable, strict=True))
            if use
        }
    raise AssertionError(f"no usable picture in {_ATTEMPTS} attempts")


def save_jpeg(image: Float[Tensor, "3 height width"], path: Path, quality: int = JPEG_QUALITY):
    """Write an image in [-1, 1] atomically."""
    pixels = to_bytes(image[None])[0].permute(1, 2, 0).numpy()
    _save(Image.fromarray(pixels), path, quality=quality)


def _save(image: Image.Image, path: Path, **options: int):
    write_image(path, image, format="PNG" if path.suffix == ".png" else "JPEG", **options)


def render_dataset(
    out: Path, plan: Plan, workers: int = 1, say: Callable[[str], None] = lambda line: None
) -> Generator[tuple[str, bool]]:
    """Render a data set in parallel processes, keeping pictures that are already finished.

    Writes, below `out`, `bounding_box_train/NAME.jpg`, `masks/NAME.png` (coverage of each pixel by
    the person), `backgrounds/NAME.jpg` (the same view without the person), `surfaces/NAME.npz` (the
    position of each pixel on the body at rest, see `datasets.surfaces`), `manifest.json` (the plan
    and the library versions) and finally `annotation.csv`: the joints in hundredths of a pixel. See
    `Rendered` for the definition of a visible joint. With the framing "pedestrian", every picture
    shows both shoulders and both hips.

    On one machine all files are identical to the byte, whatever the number of processes and
    interruptions.

    Args:
        out: An existing folder: empty, or with part of the same data set. It may have been planned
            with fewer people or fewer pictures of each.
        plan: What to render.
        workers: Number of processes.
        say: Called with a one-line message before a two-minute delay.

    Yields:
        The name of each finished picture, and whether it existed before. The annotation is written
        after the last one.
    """
    _claim(out, plan)
    with one_at_a_time(out / ".rendering.lock", str(out)):
        yield from _render_missing(out, plan, workers, say)


def _render_missing(
    out: Path, plan: Plan, workers: int, say: Callable[[str], None]
) -> Generator[tuple[str, bool]]:
    """Render what is missing of a data set; see `render_dataset`."""
    for folder in (".", IMAGES, MASKS, BACKGROUNDS, SURFACES, _UNFINISHED):
        (out / folder).mkdir(exist_ok=True)
        remove_unfinished(out / folder)
    poses = _finished(out, plan.skeleton)
    missing: dict[int, list[int]] = {}
    for number in range(1, plan.people + 1):
        for view in range(plan.per_person):
            name = plan.name(number, view)
            if name in poses and all(path.is_file() for path in _files(out, name)):
                yield name, True
            else:
                missing.setdefault(number, []).append(view)
    if missing:
        with worker_pool(min(workers, len(missing))) as pool:
            if plan.kind == "people" and not body_is_cached():
                say(
                    "The body model starts for the first time on this machine: about two minutes, "
                    "later ten seconds."
                )
                pool.submit(load_body_model_once).result()
            tasks = [pool.submit(_render_person, out, plan, *item) for item in missing.items()]
            for task in as_completed(tasks):
                rendered = task.result()
                poses |= rendered
                yield from ((name, False) for name in rendered)
    names = [
        plan.name(number, view)
        for number in range(1, plan.people + 1)
        for view in range(plan.per_person)
    ]
    _write_poses(out / TABLE, {name: poses[name] for name in names}, plan.skeleton)
    for path in (out / _UNFINISHED).iterdir():
        path.unlink()
    (out / _UNFINISHED).rmdir()


def _files(out: Path, name: str) -> list[Path]:
    return [
        out / IMAGES / name,
        (out / MASKS / name).with_suffix(".png"),
        out / BACKGROUNDS / name,
        (out / SURFACES / name).with_suffix(".npz"),
    ]


def _render_person(out: Path, plan: Plan, number: int, views: list[int]) -> dict[str, Pose]:
    # Runs in a worker: renders some pictures of one person, then writes their table.
    take = _take_person if plan.kind == "people" else _take_animal
    taken = take(plan, number, views)
    poses = {}
    for view, rendered in zip(views, taken, strict=True):
        name = plan.name(number, view)
        image, mask, background, surface = _files(out, name)
        save_jpeg(rendered.image[0], image)
        save_jpeg(rendered.background[0], background)
        covered = (rendered.mask[0] * 255).round().to(torch.uint8).numpy()
        _save(Image.fromarray(covered), mask, optimize=1)
        write_surface(surface, rendered.surface[0], rendered.layer[0])
        poses[name] = rendered.pose
    known = out / _UNFINISHED / f"{number:04d}.csv"
    kept = _read_poses(known, plan.skeleton) if known.is_file() else {}
    _write_poses(known, kept | poses, plan.skeleton)
    return _read_poses(known, plan.skeleton)  # rounded, as a later run will read them


def _take_person(plan: Plan, number: int, views: list[int]) -> list[Rendered]:
    identity = plan.identity(number)

    def shot(view: int) -> Callable[[int], Shot]:
        return lambda attempt: sample_shot(identity, plan.seed, view, attempt, plan.framing)

    if plan.framing != "wide":
        return render_usable([shot(view) for view in views], plan.size, render_people, OPENPOSE18)
    together = render_people([shot(view)(0) for view in views], plan.size)
    return [together[row] for row in range(len(views))]


def _take_animal(plan: Plan, number: int, views: list[int]) -> list[Rendered]:
    individual = sample_individual(plan.seed_of(number))

    def shot(view: int) -> Callable[[int], AnimalShot]:
        return lambda attempt: sample_animal_shot(individual, plan.seed, view, attempt)

    shots = [shot(view) for view in views]
    return render_usable(shots, plan.size, render_animals, plan.skeleton)


def _finished(out: Path, skeleton: Skeleton) -> dict[str, Pose]:
    tables = [out / TABLE] if (out / TABLE).is_file() else []
    tables += sorted((out / _UNFINISHED).glob("*.csv"))
    return {name: pose for table in tables for name, pose in _read_poses(table, skeleton).items()}


def _write_poses(path: Path, poses: Mapping[str, Pose], skeleton: Skeleton) -> None:
    together = Pose.cat(list(poses.values()))
    write_annotation_csv(path, Annotations(list(poses), together, skeleton=skeleton))


def _read_poses(path: Path, skeleton: Skeleton) -> dict[str, Pose]:
    table = read_annotation_csv(path, skeleton)
    return {name: table[name] for name in table.names}


def _claim(out: Path, plan: Plan):
    # A folder holds one data set, made with the same plan or a smaller one.
    path = out / MANIFEST
    manifest = {
        "made_by": "deformgan data synthesize",
        "parameters": _parameters(plan),
        "jpeg_quality": JPEG_QUALITY,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("deformgan", "anny", "numba", "numpy", "pillow")},
    }
    if path.is_file():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
            before = there["parameters"]
            grows = all(before[key] <= getattr(plan, key) for key in ("people", "per_person"))
            same = there | {"parameters": before | _sizes(plan)} == manifest
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(f"{path} is not a manifest of rendered people.") from None
        if not same:
            raise InputError(
                f"{out} contains people rendered with other parameters or versions (see {path}); "
                "choose another folder."
            )
        if not grows:
            raise InputError(
                f"{out} contains {before['people']} people with {before['per_person']} pictures "
                "each; choose at least as many, or another folder."
            )
    elif any(not is_unfinished(path) for path in out.iterdir()):
        raise InputError(f"{out} is not empty and has no {MANIFEST}; choose another folder.")
    write_json(path, manifest)


def _parameters(plan: Plan) -> dict[str, Any]:
    parameters = asdict(plan) | {"size": list(plan.size)}
    if plan.kind == "people":  # keep the manifests of older sets valid
        del parameters["kind"]
        return parameters
    return parameters | {"skeleton": plan.skeleton.name}


def _sizes(plan: Plan) -> dict[str, int]:
    return {"people": plan.people, "per_person": plan.per_person}


def body_is_cached() -> bool:
    """Return whether the body model's cache exists on this machine, without loading the model."""
    from os import environ

    folder = Path(environ.get("ANNY_CACHE_DIR", str(Path.home() / ".cache" / "anny")))
    return any(folder.glob("v*/build_model_data_*"))


def load_body_model_once() -> None:
    """Load the body model in this process."""
    load_body_model()
