"""Experiment: a baseline trained and evaluated with and without generated photos."""

import hashlib
import json
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from deformgan.errors import InputError
from deformgan.provenance import provenance
from deformgan.reid.augmenter import Augmenter
from deformgan.reid.baseline import BaselineConfig, load_baseline
from deformgan.reid.entries import BESIDE, count_exposures, steps_of_equal_cost
from deformgan.reid.evaluate import evaluate_model
from deformgan.reid.experiment_runs import LONGER, REAL, PlannedRun, TrainedRun, find_trained
from deformgan.reid.fractions import keep_real
from deformgan.reid.generated_photos import GeneratedPhotos
from deformgan.reid.layout import Layout
from deformgan.reid.person_photos import PersonPhotos, query_and_gallery
from deformgan.reid.simple_augmenters import SIMPLE_AUGMENTERS
from deformgan.reid.teacher import open_teacher, teacher_labels
from deformgan.reid.train import RESULT, train_baseline
from deformgan.reid.training_photos import TrainingPhotos, read_training_photos, training_people
from deformgan.training.checkpoints import FOLDER
from deformgan.training.distributed import Fabric

# Settings of generated photos, at their defaults.
_NO_ENTRY: dict[str, Any] = {
    field.name: field.default
    for field in fields(BaselineConfig)
    if field.name in ("entry", "switch", "ramp") or field.name.startswith("added")
}
# Settings of the test data, among those of `Experiment.settings`.
_TEST = ("test_folder", "queries", "gallery", "test_sha256")
RECORDS = {"log_every", "save_every", "keep"}  # settings that do not affect the result


@dataclass
class Experiment:
    """Everything the runs of an experiment share.

    Attributes:
        data: Data set folder of the training photos.
        test_data: Data set folder of query and gallery, if it is another.
        configs: Baselines by name; random erasing and seed are overridden per run.
        photos: All real training photos.
        query: Query photos.
        gallery: Gallery photos.
        augmenters: Augmenters by name.
        strays: Per augmenter, number of images whose source is not a training photo.
        fabric: Device and precision.
        imagenet: ImageNet weights; None for those of an installed package where a baseline is
            `pretrained`, else to train from scratch.
        teacher: Name of an extractor that labels generated photos, see `teacher_labels`; None for
            their own labels.
        keep_weights: Whether to keep the trained networks.
        networks: Folder of another experiment; its finished runs whose settings differ in the test
            data alone are tested instead of being trained again.
    """

    data: Path
    test_data: Path | None
    configs: Mapping[str, BaselineConfig]
    photos: TrainingPhotos
    query: PersonPhotos
    gallery: PersonPhotos
    augmenters: Mapping[str, Augmenter]
    strays: Mapping[str, int]
    fabric: Fabric
    imagenet: Path | None = None
    teacher: str | None = None
    keep_weights: bool = True
    networks: Path | None = None

    def __post_init__(self):
        self._teacher = None
        if self.teacher is not None:
            self._teacher = open_teacher(self.teacher, str(self.fabric.device))
        self._described = {name: made.describe() for name, made in self.augmenters.items()}
        self._data = {
            "folder": self.data.resolve().name,
            "test_folder": (self.test_data or self.data).resolve().name,
            "photos": len(self.photos),
            "photos_sha256": _hash(self.photos.names),
            "queries": len(self.query),
            "gallery": len(self.gallery),
            "test_sha256": _hash([*self.query.names, "/", *self.gallery.names]),
        }

    @staticmethod
    def open(
        data: Path,
        configs: Mapping[str, BaselineConfig],
        augmenters: Mapping[str, Path | None],
        fabric: Fabric,
        nobody: Collection[str] | None = None,
        test_data: Path | None = None,
        **options: Any,
    ) -> "Experiment":
        """Read the training photos and find the augmenters' images.

        Args:
            data: Folder in a layout of Market-1501 or CUHK03.
            configs: See the attributes.
            augmenters: Folder of generated images by name; None for one of `SIMPLE_AUGMENTERS` or
                for "more-steps".
            fabric: See the attributes.
            nobody: Identities that are not people; by default decided by the data.
            test_data: Another data set, to test on its query and gallery; None for those of `data`.
            options: Further attributes.
        """
        people = training_people(data, nobody=nobody)
        query, gallery = query_and_gallery(test_data or data, nobody)
        tested = set(query.identities) & set(people.identities)
        if tested and test_data is None:
            raise InputError(f"{data} has identity {min(tested)} in both training and test set.")
        photos = read_training_photos(data, nobody=nobody)
        if photos.generated.any():
            raise InputError(
                f"{data} contains generated photos; --data must have real photos only, and "
                f"generated ones are passed as --augmenters NAME={data}."
            )
        size = (photos.images.shape[2], photos.images.shape[3])
        made: dict[str, Augmenter] = {}
        strays = {}
        for name, folder in augmenters.items():
            if folder is not None:
                found = GeneratedPhotos.open(folder, people)
                made[name], strays[name] = found, len(found.strays)
            elif name == LONGER:
                continue
            elif name in SIMPLE_AUGMENTERS:
                made[name] = SIMPLE_AUGMENTERS[name](data, size)
            else:
                known = ", ".join((*SIMPLE_AUGMENTERS, LONGER))
                raise InputError(f"Unknown augmenter {name!r}; choose {known} or NAME=FOLDER.")
        return Experiment(
            data, test_data, configs, photos, query, gallery, made, strays, fabric, **options
        )

    def config(self, one: PlannedRun) -> BaselineConfig:
        """Return the training configuration of a run.

        Settings of generated photos that a run does not have keep their defaults, so that the run
        on real photos is the same in experiments that differ in these.
        """
        config = replace(self.configs[one.baseline], random_erasing=one.erasing, seed=one.seed)
        if one.augmenter == LONGER:
            steps = steps_of_equal_cost(replace(config, entry=one.entry))
            return replace(config, steps=steps, **_NO_ENTRY)
        if one.entry in BESIDE:
            return replace(config, entry=one.entry)
        first = {"entry": "first", "switch": config.switch} if one.entry == "first" else {}
        return replace(config, **(_NO_ENTRY | first))

    def settings(self, one: PlannedRun) -> dict[str, Any]:
        """Return everything that a run's result depends on, JSON-serializable."""
        config = asdict(self.config(one))
        return {
            "run": asdict(one),
            "data": self._data,
            "baseline": {name: value for name, value in config.items() if name not in RECORDS},
            "start": self.start(one.baseline),
            "augmenter": self._described.get(one.augmenter),
            "teacher": self.teacher if one.augmenter in self.augmenters else None,
        }

    def start(self, baseline: str) -> str:
        """Return the name of the initial weights of a baseline."""
        if self.imagenet is not None:
            return self.imagenet.name
        return "ImageNet" if self.configs[baseline].pretrained else "scratch"

    def photos_of(self, one: PlannedRun) -> tuple[TrainingPhotos, dict[str, Any]]:
        """Return the training photos of a run, and their counts.

        Only kept real photos serve as sources, with alpha - 1 generated photos each. Sources with
        fewer (none passed the gate, or the pose is unknown) are not compensated for; the resulting
        alpha is reported.
        """
        kept = keep_real(self.photos, one.fraction, one.per_person, one.seed)
        counts = {"real": len(kept), "generated": 0, "missing": 0, "identities": kept.num_classes}
        if one.augmenter in (REAL, LONGER):
            return kept, {**counts, "alpha": 1.0}
        wanted = one.alpha - 1
        made = self.augmenters[one.augmenter].generate(kept, wanted, one.seed)
        counts["generated"] = len(made)
        counts["missing"] = wanted * len(kept) - len(made)
        counts["soft"] = int(made.soft.sum())
        both = _join(kept, made)
        counts["identities"] = both.num_classes
        return both, {**counts, "alpha": len(both) / len(kept)}

    def measure(self, one: PlannedRun, folder: Path) -> dict[str, Any]:
        """Train and evaluate a run; see `execute_runs`."""
        trained = self.find_trained(one) or self._train(one, folder)
        tested = time.monotonic()
        baseline = load_baseline(trained.weights, self.fabric.device)
        result = evaluate_model(baseline, self.query, self.gallery)
        if not self.keep_weights:
            (folder / RESULT).unlink(missing_ok=True)
        ranking = result.ranking
        asked = ranking.asked.tolist()
        return {
            "metrics": ranking.means(),
            "photos": trained.photos,
            "seen": trained.seen,
            "queries": {
                "person": " ".join(self.query.identities[row] for row in asked),
                "map": _compact(ranking.precision.tolist()),
                "rank1": _compact((ranking.first_place == 1).double().tolist()),
                "minp": _compact(ranking.inverse_negative_penalty.tolist()),
            },
            "seconds": {**trained.seconds, "test": round(time.monotonic() - tested, 1)},
            **provenance(),
        }

    def find_trained(self, one: PlannedRun) -> TrainedRun | None:
        """Find the network of a run in `networks`, see `experiment_runs.find_trained`."""
        if self.networks is None:
            return None
        return find_trained(self.networks, one, self.settings(one), _TEST)

    def _train(self, one: PlannedRun, folder: Path) -> TrainedRun:
        """Train the network of a run in its folder."""
        begun = time.monotonic()
        photos, counts = self.photos_of(one)
        config = self.config(one)
        labels = None
        if self._teacher is not None and photos.generated.any():
            labels = teacher_labels(photos, self._teacher.extract)
        prepared = time.monotonic()
        weights = train_baseline(
            config,
            photos,
            folder,
            fabric=self.fabric,
            metadata={**provenance(), "experiment": asdict(one)},
            resume=True,
            imagenet=self.imagenet,
            teacher=labels,
            report=lambda _: None,
        )
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        seconds = {
            "photos": round(prepared - begun, 1),
            "train": round(time.monotonic() - prepared, 1),
        }
        return TrainedRun(weights, counts, asdict(count_exposures(config, photos)), seconds)

    def describe(self) -> dict[str, Any]:
        """Return what all planned share, for the report."""
        layout = Layout.find(self.test_data or self.data)
        own_split = layout.query is None and layout.test_names is None
        return {
            "data": self._data,
            "train_identities": self.photos.num_classes,
            "test_identities": len(set(self.query.identities)),
            "test_rule": "identity-split" if own_split else "the data set's",
            "baselines": json.loads(json.dumps({n: asdict(c) for n, c in self.configs.items()})),
            "starts": {name: self.start(name) for name in self.configs},
            "teacher": self.teacher,
            "networks": None if self.networks is None else self.networks.resolve().name,
            "augmenters": self._described,
            "strays": dict(self.strays),
        }


def _join(first: TrainingPhotos, second: TrainingPhotos) -> TrainingPhotos:
    return TrainingPhotos(
        first.names + second.names,
        torch.cat([first.images, second.images]),
        torch.cat([first.classes, second.classes]),
        torch.cat([first.cameras, second.cameras]),
        torch.cat([first.generated, second.generated]),
        torch.cat([first.soft, second.soft]),
    )


def _compact(values: list[float]) -> str:
    """Format numbers as one line, since indented JSON would use a line for each."""
    return " ".join(f"{value:.6g}" for value in values)


def _hash(names: list[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
