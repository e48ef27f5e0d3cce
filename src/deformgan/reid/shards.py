"""Shards: the generated photos of consecutive sources, the unit of parallel work."""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.models.encoded import Encoded
from deformgan.models.generator import Generator
from deformgan.painting import encode, paint
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.reid.augment_report import Tally
from deformgan.reid.gate import GateScores, QualityGate
from deformgan.reid.labels import Labels
from deformgan.reid.manifest import GeneratedPhoto
from deformgan.reid.policies import PosePolicy
from deformgan.reid.sampler import random_of
from deformgan.reid.scenes import target_scenes
from deformgan.reid.variety import RealPhotos, largest_similarity, smallest_distance
from deformgan.reid.writers import Finished

Background = Literal["paint", "target"]

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
        shard_size: Sources per shard, which is written atomically; all are kept encoded at once.
        batch_size: Photos per forward pass.
        weights: Name of the generator's weights.
        weights_sha256: SHA-256 of the weights file.
        background: What is behind the person: "paint", by the generator, or the photo of the
            "target" pose, without its person.
    """

    per_image: int
    tries: int
    seed: int
    gate: QualityGate | None
    shard_size: int
    batch_size: int
    weights: str
    weights_sha256: str
    background: Background = "paint"


@dataclass
class _Source:
    """A source, and what is already there of its person.

    Attributes:
        item: Position in the shard.
        row: Row in the training photos.
        queue: Target poses left to try, as rows of the pool.
        poses: Poses that are there, as rows of the pool: those of the person's real photos, and
            those of this source's photos, except rejected ones.
        vectors: Embeddings of the photos that are there; None if they are not compared.
    """

    item: int
    row: int
    queue: Iterator[int]
    poses: list[int]
    vectors: Float[Tensor, "photos features"] | None


@dataclass(eq=False)
class _Place:
    """A photo to generate.

    Attributes:
        source: Its source.
        number: Number of the photo among those of its source, from 1.
        finished: The photo, once one has passed.
    """

    source: _Source
    number: int
    finished: Finished | None = None


@dataclass(frozen=True)
class _Draw:
    """A target pose to try.

    Attributes:
        place: The photo it is for.
        target: Row of the pool.
        scores: Scores by name; those of the pose at first, then all.
    """

    place: _Place
    target: int
    scores: dict[str, float]


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
        self.real = None
        if scores is not None and settings.gate is not None and settings.gate.asks_for_variety:
            self.real = RealPhotos(photos, pool, scores.embedding)
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
            images = self.photos.read(rows)
        with tally.timed("generator"):
            encoded = self._encode(images, rows)
        with tally.timed("poses"):
            queues = [iter(self._candidates(row)) for row in rows]
        with tally.timed("gate"):
            vectors = None if self.scores is None else self.scores.describe(images)
            sources = [
                _Source(item, row, queue, *self._real(row))
                for item, (row, queue) in enumerate(zip(rows, queues, strict=True))
            ]
        numbers = range(1, settings.per_image + 1)
        places = [_Place(source, number) for source in sources for number in numbers]
        for attempt in range(settings.tries):
            with tally.timed("poses"):
                waiting = [place for place in places if place.finished is None]
                draws = [draw for place in waiting if (draw := self._draw(place, tally))]
            tally.counts["drawn"] += len(draws)
            for first in range(0, len(draws), settings.batch_size):
                batch = draws[first : first + settings.batch_size]
                items = [draw.place.source.item for draw in batch]
                targets = [draw.target for draw in batch]
                asked, scenes = self.pool.poses[targets], None
                if settings.background == "target":
                    with tally.timed("scenes"):
                        scenes = target_scenes(self.generator, self.pool, targets)
                with tally.timed("generator"):
                    painted = paint(self.generator, encoded[items], asked, background=scenes)
                with tally.timed("gate"):
                    passed = self._judge(batch, painted, asked, vectors, tally)
                for index, draw in enumerate(batch):
                    if passed[index]:
                        with tally.timed("jpeg"):
                            jpeg = encode_jpeg(painted[index])
                        photo = self._describe(draw, attempt)
                        draw.place.finished = Finished(photo, jpeg, asked[[index]])
                        for name, score in draw.scores.items():
                            tally.scores[name] += score
        finished = [place.finished for place in places if place.finished is not None]
        tally.counts["asked"] = len(places)
        tally.counts["written"] = len(finished)
        tally.counts["given_up"] = len(places) - len(finished)
        return finished, tally

    def _candidates(self, row: int) -> list[int]:
        """Return the target poses for a source in order, those for retries at the end."""
        random = random_of(self.settings.seed, row)
        return self.policy.candidates(row, self.settings.per_image, random).tolist()

    def _encode(
        self, images: UInt8[Tensor, "photos 3 height width"], rows: Sequence[int]
    ) -> Encoded:
        """Encode the sources, once for all their photos; with the batches of a first round."""
        parts = torch.arange(len(rows)).split(self.settings.batch_size)
        poses = self.photos.poses[list(rows)]
        scene = self.settings.background == "paint"
        return Encoded.cat(
            [
                encode(self.generator, View(to_float(images[part]), poses[part]), scene)
                for part in parts
            ]
        )

    def _real(self, row: int) -> tuple[list[int], Tensor | None]:
        """Return poses and embeddings of a person's real photos, as far as they are compared."""
        gate = self.settings.gate
        if gate is None or self.real is None:
            return [], None
        vectors = None if gate.max_similarity is None else self.real.embeddings(row)
        return self.real.usable_rows(row), vectors

    def _draw(self, place: _Place, tally: Tally) -> _Draw | None:
        """Take the next target pose that is not too near to those that are there."""
        source, gate = place.source, self.settings.gate
        for target in source.queue:
            if gate is None or gate.min_pose_distance is None or self.real is None:
                source.poses.append(target)
                return _Draw(place, target, {})
            distance = smallest_distance(self.real.poses[target], self.real.poses[source.poses])
            if distance >= gate.min_pose_distance:
                source.poses.append(target)
                return _Draw(place, target, {"pose_variety": distance})
            tally.rejected_by["pose_variety"] += 1
        return None

    def _judge(
        self,
        batch: list[_Draw],
        painted: UInt8[Tensor, "batch 3 height width"],
        asked: Pose,
        vectors: Float[Tensor, "sources features"] | None,
        tally: Tally,
    ) -> list[bool]:
        """Score photos, and return which pass; one after the other, as one that passes is there."""
        gate = self.settings.gate
        if gate is None or self.scores is None or vectors is None:
            return [True] * len(batch)
        items = [draw.place.source.item for draw in batch]
        scores, embedded = self.scores(painted, asked, vectors[items])
        passed = []
        for index, draw in enumerate(batch):
            source = draw.place.source
            draw.scores.update(scores[index])
            if source.vectors is not None:
                draw.scores["variety"] = 1 - largest_similarity(embedded[index], source.vectors)
            faults = gate.faults(draw.scores)
            for name in faults:
                tally.rejected_by[name] += 1
            if faults:
                source.poses.remove(draw.target)
            elif source.vectors is not None:
                source.vectors = torch.cat([source.vectors, embedded[[index]]])
            passed.append(not faults)
        return passed

    def _describe(self, draw: _Draw, attempt: int) -> GeneratedPhoto:
        row, number = draw.place.source.row, draw.place.number
        source = self.photos.names[row]
        return GeneratedPhoto(
            name=self.labels.name(source, number),
            source=source,
            target=self.pool.names[draw.target],
            identity=self.labels.identity(source),
            label=self.labels.rule,
            camera=int(self.photos.cameras[row]),
            number=number,
            seed=self.settings.seed,
            attempt=attempt,
            weights=self.settings.weights,
            weights_sha256=self.settings.weights_sha256,
            scores=draw.scores,
        )


def encode_jpeg(picture: UInt8[Tensor, "3 height width"]) -> bytes:
    """Encode an image as JPEG, deterministically."""
    file = io.BytesIO()
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    Image.fromarray(pixels).save(file, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()
