"""The functions of the library's front door: `detect`, `evaluate`, `train`.

`import deformgan` offers them by name; `PoseTransfer` is in `predict`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image

from deformgan.detectors import Detection
from deformgan.detectors.person import around
from deformgan.device import find_device
from deformgan.draw.poses import draw_pose
from deformgan.errors import InputError
from deformgan.evaluation.available_metrics import Networks, find_metrics
from deformgan.evaluation.evaluate import evaluate as evaluate_pairs
from deformgan.evaluation.evaluate import settings_of
from deformgan.evaluation.failures import failures_table
from deformgan.evaluation.generated_folder import GeneratedFolder
from deformgan.evaluation.journal import Journal
from deformgan.evaluation.pair_photos import PairPhotos, photos_in
from deformgan.evaluation.protocol import find_protocol
from deformgan.evaluation.report import build_report, metrics_table
from deformgan.evaluation.systems import Scene, Weights
from deformgan.files import one_at_a_time, write_json
from deformgan.inputs import AnyDetector, AnyPhoto, Progress, detect_people, load_photo, no_progress
from deformgan.pixels import Photo
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons import check_skeleton, find_skeleton

if TYPE_CHECKING:
    from deformgan.training.engine import Progress as TrainingProgress


@dataclass(frozen=True)
class People(Sequence[Detection]):
    """The people detected in a photo, largest first.

    Attributes:
        photo: The photo, RGB.
        found: One detection each.
    """

    photo: Photo
    found: list[Detection]

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, person: Any) -> Any:
        return self.found[person]

    def __iter__(self) -> Iterator[Detection]:
        return iter(self.found)

    @property
    def joints(self) -> Float[np.ndarray, "people joints 2"]:
        """Joints (x, y) in pixels, NaN where a joint is not visible."""
        joints = self._pose.joints.where(self._pose.visible[..., None], torch.nan)
        return joints.numpy()

    @property
    def visible(self) -> Bool[np.ndarray, "people joints"]:
        """Whether each joint is visible."""
        return self._pose.visible.numpy()

    @property
    def scores(self) -> Float[np.ndarray, "people joints"]:
        """Confidence of each joint, in [0, 1]."""
        if not self.found:
            return np.zeros((0, self._pose.visible.shape[1]), np.float32)
        return torch.stack([person.scores for person in self.found]).numpy()

    @property
    def boxes(self) -> Float[np.ndarray, "people 4"]:
        """Left, top, right and bottom of each person's joints, enlarged by a quarter, in pixels."""
        return np.array([around(person.pose) for person in self.found]).reshape(-1, 4)

    def draw(self) -> Image.Image:
        """Draw all poses over the photo."""
        picture = Image.fromarray(self.photo)
        bone = max(2, round(picture.height / 150))
        for person in reversed(self.found):
            draw_pose(picture, person.pose, 1, width=bone, radius=float(bone))
        return picture

    @property
    def _pose(self) -> Pose:
        if not self.found:
            return Pose(torch.zeros(0, 18, 2), torch.zeros(0, 18, dtype=torch.bool))
        return Pose.cat([person.pose for person in self.found])


def detect(photo: AnyPhoto, detector: AnyDetector = "pose18") -> People:
    """Detect the people in a photo and their joints.

        people = deformgan.detect("street.jpg")
        people.draw().save("poses.png")

    Args:
        photo: Path, PIL image or RGB array.
        detector: A pose detector or its name, see `load_detector`.

    Raises:
        InputError: If the photo or the detector cannot be loaded.
    """
    pixels = load_photo(photo)
    return People(pixels, detect_people(pixels, detector))


@dataclass(frozen=True)
class Metric:
    """A score of an evaluation.

    Attributes:
        value: The mean over pairs; None if no pair has the number.
        interval: Its 95 % interval over pairs; None for scores of whole sets.
        description: What the number is.
    """

    value: float | None
    interval: tuple[float, float] | None
    description: str


@dataclass(frozen=True)
class Report:
    """The result of an evaluation.

    Attributes:
        pairs: Number of scored pairs.
        asked: Number of pairs to be scored.
        metrics: Scores by name.
        unavailable: Metrics that could not be computed, with the reason.
        problems: One line per pair that could not be scored.
        content: Everything, as `deformgan evaluate --json` writes it.
        resumed: Number of pairs taken over from an interrupted evaluation.
    """

    pairs: int
    asked: int
    metrics: dict[str, Metric]
    unavailable: dict[str, str]
    problems: list[str]
    content: dict[str, Any] = field(repr=False)
    resumed: int = 0

    def __getitem__(self, metric: str) -> float | None:
        return self.metrics[metric].value

    def table(self) -> str:
        """Format the metrics as a Markdown table."""
        return metrics_table(self.content)

    def failures(self) -> str:
        """Format scores by difficulty and the worst pairs as Markdown tables."""
        return failures_table(self.content["failures"])

    def save(self, path: str | Path) -> None:
        """Write the report as JSON."""
        write_json(Path(path), self.content)


def evaluate(
    images: str | Path,
    pairs: str | Path,
    *,
    annotations: str | Path | None = None,
    generated: str | Path | None = None,
    weights: str | Path | None = None,
    skeleton: Skeleton | str | None = None,
    protocol: str = "deformgan-1",
    metrics: Sequence[str] = (),
    save_generated: str | Path | None = None,
    background: Scene = "paint",
    real: str | Path | None = None,
    detector: str = "pose18",
    extractors: Sequence[str | Path] = (),
    person_detectors: Sequence[str | Path] = (),
    ssd300: str | Path | None = None,
    inception: str | Path | None = None,
    lpips: str | Path | None = None,
    device: str | torch.device = "auto",
    journal: str | Path | None = None,
    progress: Progress = no_progress,
    finish: Callable[[dict[str, Any]], None] = lambda content: None,
) -> Report:
    """Evaluate generated pictures of test pairs.

    Args:
        images: Folder of the photos.
        pairs: Table of pairs (from,to).
        annotations: Poses of the photos in any supported format; by default `annotation.csv` in
            the folder or beside it.
        generated: Folder of pictures to evaluate, one per pair, named <from>__<to>.png.
        weights: Instead of pictures: name of bundled weights or a .safetensors file that generates
            them.
        skeleton: Skeleton of the poses; by default that of the weights, or else openpose18.
        protocol: Name of the evaluation protocol.
        metrics: Metrics to compute; by default all. Metrics that are computed together are reported
            together.
        save_generated: Existing folder in which to save the pictures of the weights.
        background: What is behind people painted by weights with layers: "paint", the scene as
            generated, or "source", that of the source photo.
        real: Folder of photos for FID and KID; by default the target photos.
        detector: Pose detector that searches for the target pose.
        extractors: Re-ID networks (.onnx) for identity scores, besides the bundled one.
        person_detectors: Person detectors (.onnx) for detection scores.
        ssd300: torchvision's SSD300 weights, for the detection score.
        inception: torch-fidelity's Inception weights, for IS, FID and KID.
        lpips: torchvision's AlexNet or VGG-16 weights, for LPIPS.
        device: Device to compute on.
        journal: Folder that keeps finished pairs, so that an interrupted evaluation resumes; it is
            removed at the end.
        progress: Wraps the iteration over pairs.
        finish: Called with the report's content before the journal is removed, to save it.

    Raises:
        InputError: If an input is missing or invalid, or no pair can be scored.
    """
    if (weights is None) == (generated is None):
        raise InputError("Give exactly one of weights= and generated=.")
    if save_generated is not None and weights is None:
        raise InputError("save_generated= needs weights=, not generated=.")
    if background != "paint" and weights is None:
        raise InputError("background= needs weights=, not generated=.")
    if background not in get_args(Scene):
        raise InputError(
            f"background= is {background!r}; it must be {' or '.join(get_args(Scene))}."
        )
    chosen, named = find_protocol(protocol), _list("metrics", metrics)
    images, on = Path(images), str(find_device(device))
    painter = (
        None
        if weights is None
        else Weights.load(str(weights), on, _path(save_generated), background)
    )
    if painter is not None:
        joints = check_skeleton(skeleton, painter.generator.skeleton)
    else:
        joints = find_skeleton(skeleton) if isinstance(skeleton, str) else skeleton
    table = _find_annotations(images) if annotations is None else Path(annotations)
    photos = PairPhotos.open(images, table, Path(pairs), joints)
    system = painter
    if generated is not None:
        system = GeneratedFolder.open(Path(generated), photos, chosen.lossless)
    assert system is not None
    networks = Networks(
        detector,
        tuple(map(Path, _list("extractors", extractors))),
        tuple(map(Path, _list("person_detectors", person_detectors))),
        _path(ssd300),
        _path(inception),
        _path(lpips),
    )
    metric_set = find_metrics(chosen, networks, on, tuple(named), real is not None, photos.skeleton)
    real_photos = None if real is None else photos_in(Path(real))
    settings = settings_of(system, photos, chosen, metric_set, real_photos)
    with TemporaryDirectory() as scratch:
        folder = _path(journal) or Path(scratch) / "journal"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(folder.with_name(f"{folder.name}.lock"), f"what {folder} records"):
            kept = Journal(folder, settings)
            findings = evaluate_pairs(
                system, photos, chosen, metric_set, kept, real_photos, progress
            )
            if not findings.rows:
                kept.remove()
                first = findings.problems[0] if findings.problems else ""
                raise InputError(f"No pair has a picture that can be scored. {first}".strip())
            described = system.describe()
            content = build_report(findings, photos, metric_set, settings["protocol"], described)
            finish(content)
            kept.remove()
        return _report(content, len(photos), findings.kept)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _list(name: str, given: Sequence[Any]) -> list[Any]:
    """Refuse a lone string or path, whose letters would be taken for the items."""
    if isinstance(given, str | Path):
        raise InputError(f"{name}= is {str(given)!r}; give a list of them.")
    return list(given)


def _report(content: dict[str, Any], asked: int, resumed: int) -> Report:
    metrics = {}
    for name, found in content["metrics"].items():
        ends = found["ci95"]
        interval = None if ends is None else (float(ends[0]), float(ends[1]))
        metrics[name] = Metric(found["value"], interval, found["what"])
    return Report(
        pairs=content["n"],
        asked=asked,
        metrics=metrics,
        unavailable=dict(content["unavailable"]),
        problems=list(content["problems"]),
        content=content,
        resumed=resumed,
    )


def _find_annotations(images: Path) -> Path:
    for folder in (images, images.parent):
        if (table := folder / "annotation.csv").is_file():
            return table
    raise InputError(f"There is no annotation.csv in {images} or beside it; give annotations=.")


def train(
    recipe: str,
    out: str | Path,
    *,
    data: Sequence[str | Path] = (),
    rendered: Sequence[str | Path] = (),
    vgg: str | Path | None = None,
    download: bool = False,
    init: str | Path | None = None,
    resume: bool = False,
    device: str | torch.device = "auto",
    report: "Callable[[TrainingProgress], None]" = print,
    **settings: Any,
) -> Path:
    """Train a generator by a recipe.

        weights = deformgan.train("quickstart", out="runs/x", steps=200)

    Args:
        recipe: Name of a recipe.
        out: Folder of the run; created.
        data: Data sets in any supported layout; by default the bundled people.
        rendered: Further data sets of rendered people, mixed in as the recipe specifies.
        vgg: VGG-19 weights for the losses; see `Vgg19Features`.
        download: Whether missing VGG-19 weights may be downloaded (548 MB).
        init: Generator to start from, the name of bundled weights or a file.
        resume: Continue the run in the folder.
        device: Device to train on.
        report: Called with the progress at every line of the metrics.
        settings: Changes of the recipe by name, such as `steps=200`; see `TrainConfig`. Settings of
            a part have its name and two underscores before theirs: `weights__l1=100`.

    Returns:
        Path of the trained generator, for `PoseTransfer.from_pretrained`.

    Raises:
        InputError: If a name, a setting or a file is invalid.
        DivergedError: If a loss is not finite.
    """
    from deformgan.recipes import RECIPES
    from deformgan.training.run import Run, check_new
    from deformgan.training.settings import change_settings

    if recipe not in RECIPES:
        raise InputError(f"Unknown recipe {recipe!r}; choose one of {', '.join(RECIPES)}.")
    changes = {name.replace("__", "."): value for name, value in settings.items()}
    config = change_settings(RECIPES[recipe](), changes, "train")
    folder = Path(out)
    check_new(folder, resume)
    run = Run.open(
        config,
        [Path(each) for each in _list("data", data)],
        [Path(each) for each in _list("rendered", rendered)],
        vgg=_path(vgg),
        download=download,
        init=init,
        device=find_device(device),
    )
    folder.mkdir(parents=True, exist_ok=True)
    return run.train(folder, resume=resume, report=report)
