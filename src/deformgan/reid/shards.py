"""Shards: the generated photos of a data set, a fixed run of sources at a time."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from deformgan.datasets.image_cache import load_images
from deformgan.datasets.photo_set import PhotoSet
from deformgan.models.generator import Generator
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.reid.augment_report import Tally
from deformgan.reid.gate import GateScores, QualityGate
from deformgan.reid.labels import Labels
from deformgan.reid.manifest import GeneratedPhoto
from deformgan.reid.policies import PosePolicy
from deformgan.reid.writers import Finished

# A JPEG of this quality, colours at full resolution, has twice the bytes of Market-1501's own
# files, in which what a generator does to colours would drown.
JPEG_QUALITY = 95


@dataclass(frozen=True)
class ShardSettings:
    """How shards are made.

    Attributes:
        per_image: Generated photos per source.
        tries: How many poses are tried at most for each of them.
        seed: Of the choice of poses.
        gate: What a generated photo must score; None lets everything pass.
        shard_size: Sources per shard, the unit that is written whole or not at all.
        batch_size: Photos painted at once.
        weights: What the generator is called.
        weights_sha256: Of its file.
    """

    per_image: int
    tries: int
    seed: int
    gate: QualityGate | None
    shard_size: int
    batch_size: int
    weights: str
    weights_sha256: str


@dataclass(frozen=True)
class _Place:
    """A photo that the data set shall gain.

    Attributes:
        item: Position of its source in the shard.
        number: Which one of that source, from 1.
    """

    item: int
    number: int


class Shards:
    """Makes shards; each depends on its number and the settings alone.

    The make-up of a batch may change the last bit of a convolution. Batches are filled from one
    shard only, so they are the same whichever process makes it, and after whichever others.

    Args:
        settings: How.
        photos: People to train on; without layers at the generator's size.
        pool: The photos whose poses are asked for: `photos`, or these and others behind them.
        policy: Chooses rows of the pool.
        generator: In evaluation mode, on its device.
        labels: Names the generated photos.
        scores: What the gate needs; None without a gate.
    """

    def __init__(
        self,
        settings: ShardSettings,
        photos: PhotoSet,
        pool: PhotoSet,
        policy: PosePolicy,
        generator: Generator,
        labels: Labels,
        scores: GateScores | None,
    ):
        self.settings = settings
        self.photos = photos
        self.pool = pool
        self.policy = policy
        self.generator = generator
        self.labels = labels
        self.scores = scores
        self.sources: list[int] = photos.usable.nonzero()[:, 0].tolist()

    def __len__(self) -> int:
        return math.ceil(len(self.sources) / self.settings.shard_size)

    def make(self, number: int) -> tuple[list[Finished], Tally]:
        """Generates the photos of some sources.

        Args:
            number: Of the shard, from 0.

        Returns:
            The photos in the order of their sources, and what it took.
        """
        settings, tally = self.settings, Tally()
        rows = self.sources[number * settings.shard_size :][: settings.shard_size]
        with tally.timed("read"):
            images = self._read(rows)
        with tally.timed("poses"):
            queues = [iter(self._candidates(row)) for row in rows]
        with tally.timed("gate"):
            vectors = None if self.scores is None else self.scores.describe(images)
        numbers = range(1, settings.per_image + 1)
        places = [_Place(item, number) for item in range(len(rows)) for number in numbers]
        done: dict[_Place, Finished] = {}
        for attempt in range(settings.tries):
            drawn = [
                (place, target)
                for place in places
                if place not in done and (target := next(queues[place.item], None)) is not None
            ]
            tally.counts["drawn"] += len(drawn)
            for first in range(0, len(drawn), settings.batch_size):
                batch = drawn[first : first + settings.batch_size]
                items = [place.item for place, _ in batch]
                asked = self.pool.poses[[target for _, target in batch]]
                with tally.timed("generator"):
                    painted = self._paint(images[items], [rows[item] for item in items], asked)
                with tally.timed("gate"):
                    scores = self._score(painted, asked, vectors, items)
                for index, (place, target) in enumerate(batch):
                    faults = settings.gate.faults(scores[index]) if settings.gate else []
                    for name in faults:
                        tally.rejected_by[name] += 1
                    if not faults:
                        with tally.timed("jpeg"):
                            jpeg = encode_jpeg(painted[index])
                        photo = self._describe(
                            rows[place.item], target, place.number, attempt, scores[index]
                        )
                        done[place] = Finished(photo, jpeg, asked[[index]])
                        for name, score in scores[index].items():
                            tally.scores[name] += score
        tally.counts["asked"] = len(places)
        tally.counts["written"] = len(done)
        tally.counts["given_up"] = len(places) - len(done)
        return [done[place] for place in places if place in done], tally

    def _read(self, rows: Sequence[int]) -> UInt8[Tensor, "photos 3 height width"]:
        photos = self.photos
        framings = None if photos.framings is None else [photos.framings[row] for row in rows]
        return load_images([photos.paths[row] for row in rows], photos.size, framings)

    def _candidates(self, row: int) -> list[int]:
        """Chooses the poses for one source, those for redraws behind."""
        state = np.random.SeedSequence((self.settings.seed, row)).generate_state(1, np.uint64)
        random = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
        return self.policy.candidates(row, self.settings.per_image, random).tolist()

    def _paint(
        self, images: UInt8[Tensor, "batch 3 height width"], rows: list[int], asked: Pose
    ) -> UInt8[Tensor, "batch 3 height width"]:
        return paint(self.generator, View(to_float(images), self.photos.poses[rows]), asked)

    def _score(
        self,
        painted: UInt8[Tensor, "batch 3 height width"],
        asked: Pose,
        vectors: Float[Tensor, "sources features"] | None,
        items: list[int],
    ) -> list[dict[str, float]]:
        if self.scores is None or vectors is None:
            return [{} for _ in items]
        return self.scores(painted, asked, vectors[items])

    def _describe(
        self, row: int, target: int, number: int, attempt: int, scores: dict[str, float]
    ) -> GeneratedPhoto:
        source = self.photos.names[row]
        return GeneratedPhoto(
            name=self.labels.name(source, number),
            source=source,
            target=self.pool.names[target],
            identity=self.labels.identity(source),
            label=self.labels.rule,
            camera=int(self.photos.cameras[row]),
            number=number,
            seed=self.settings.seed,
            attempt=attempt,
            weights=self.settings.weights,
            weights_sha256=self.settings.weights_sha256,
            scores=scores,
        )


def encode_jpeg(picture: UInt8[Tensor, "3 height width"]) -> bytes:
    """Makes a JPEG file of a picture, the same bytes for the same picture."""
    file = io.BytesIO()
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    Image.fromarray(pixels).save(file, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()
