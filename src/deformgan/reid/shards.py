"""Shards: the generated photos of consecutive sources, the unit of parallel work."""

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

# At this quality and without chroma subsampling, files have twice the size of Market-1501's own,
# whose compression would mask the colour errors of a generator.
JPEG_QUALITY = 95


@dataclass(frozen=True)
class ShardSettings:
    """Settings of the generated photos.

    Attributes:
        per_image: Generated photos per source.
        tries: Maximum number of poses to try for each photo.
        seed: Random seed for the choice of poses.
        gate: Minimum scores of a generated photo; None accepts everything.
        shard_size: Sources per shard, which is written atomically.
        batch_size: Photos per forward pass.
        weights: Name of the generator's weights.
        weights_sha256: SHA-256 of the weights file.
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
    """A photo to generate.

    Attributes:
        item: Position of its source in the shard.
        number: Number of the photo among those of its source, from 1.
    """

    item: int
    number: int


class Shards:
    """A generator of shards, each a function of its number and the settings alone.

    The composition of a batch can change the last bit of a convolution. Batches are therefore
    filled from one shard only, so they do not depend on which process generates it, and when.

    Args:
        settings: Settings of the generated photos.
        photos: Training photos; at the generator's size, unless it is layered.
        pool: Photos of the target poses: `photos`, or these followed by others.
        policy: Chooses rows of the pool.
        generator: In evaluation mode, on its device.
        labels: Names and identities of the generated photos.
        scores: Computes the gate's scores; None without a gate.
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
        """Generate a shard.

        Args:
            number: Number of the shard, from 0.

        Returns:
            Photos in the order of their sources, and the tally.
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
        """Return the target poses for a source in order, those for retries at the end."""
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
    """Encode an image as JPEG, deterministically."""
    file = io.BytesIO()
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    Image.fromarray(pixels).save(file, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()
