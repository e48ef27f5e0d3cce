"""Embeddings of people: from a bundled network, an ONNX file, a baseline or a file of vectors."""

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.datasets.image_cache import load_images
from deformgan.errors import InputError
from deformgan.evaluation.identity import Extractor
from deformgan.files import read_safetensors, read_safetensors_header
from deformgan.photo_file import photo_size
from deformgan.reid.baseline import load_baseline
from deformgan.reid.person_photos import PersonPhotos, stretch_all

BATCH = 64  # photos per batch
BUNDLED = "person_embedding"


@runtime_checkable
class Features(Protocol):
    """A source of embeddings for photos of people.

    Attributes:
        name: Name in reports.
    """

    name: str

    def __call__(
        self, photos: PersonPhotos, progress: Callable = lambda batches, _: batches
    ) -> Float[Tensor, "photos features"]:
        """Return one embedding per photo.

        Args:
            photos: Photos to embed.
            progress: Wraps the iterable of batches to report progress; also takes the unit's name.
        """
        ...


class NetworkFeatures:
    """Embeddings computed by a network, batch by batch.

    Args:
        name: See `Features`.
        extract: Network that embeds uint8 RGB images.
    """

    def __init__(self, name: str, extract: Callable[[UInt8[Tensor, "..."]], Tensor]):
        self.name = name
        self.extract = extract

    def __call__(
        self, photos: PersonPhotos, progress: Callable = lambda batches, _: batches
    ) -> Float[Tensor, "photos features"]:
        """Return one embedding per photo; only one batch is in memory at a time."""
        vectors = []
        starts = range(0, len(photos), BATCH)
        for first in progress(starts, "photos"):
            paths = photos.paths[first : first + BATCH]
            # Networks resize images themselves; here the photos of a batch only need a common size.
            size = photo_size(paths[0])
            vectors.append(self.extract(load_images(paths, size, stretch_all(paths, size))))
        return torch.cat(vectors)


class FileFeatures:
    """Embeddings read from a file and looked up by photo name.

    Args:
        path: .npz or .safetensors file with `vectors` (photos, features) and the photos' `names`:
            an array in the .npz, a JSON list in the metadata of the .safetensors.
    """

    def __init__(self, path: Path):
        self.name = path.stem
        self._path = path
        names, vectors = _read(path)
        if vectors.ndim != 2 or len(names) != len(vectors):
            raise InputError(
                f"{path} has {len(names)} names and vectors of shape {tuple(vectors.shape)}; it "
                "must have one vector per name."
            )
        if not vectors.isfinite().all():
            raise InputError(f"{path} has non-finite vectors.")
        self._vectors = vectors
        self._rows = {name: row for row, name in enumerate(names)}
        if len(self._rows) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path} has two vectors for {twice}.")

    def __call__(
        self, photos: PersonPhotos, progress: Callable = lambda batches, _: batches
    ) -> Float[Tensor, "photos features"]:
        """Return the embeddings of photos, all of which must be in the file."""
        lacking = [name for name in photos.names if name not in self._rows]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise InputError(f"{self._path} has no vector for {lacking[0]}{more}.")
        return self._vectors[[self._rows[name] for name in photos.names]]


def open_features(extractor: str, device: str = "cpu") -> Features:
    """Open a source of embeddings.

    Args:
        extractor: "person_embedding" (bundled), an .onnx file (input RGB / 255, normalized by
            ImageNet's mean and standard deviation, resized to the model's input), a baseline of
            `reid train` (.safetensors), or a file of vectors (.npz, .safetensors; see
            `FileFeatures`).
        device: Device for PyTorch networks.
    """
    if extractor == BUNDLED:
        return NetworkFeatures(BUNDLED, load_person_embedding().to(device))
    path = Path(extractor)
    if not path.is_file():
        raise InputError(
            f"No extractor {extractor!r}; choose {BUNDLED}, an .onnx file, a baseline.safetensors "
            "or a file of vectors (.npz, .safetensors)."
        )
    if path.suffix == ".onnx":
        return NetworkFeatures(path.stem, Extractor(path))
    if path.suffix == ".npz" or "vectors" in read_safetensors_header(path)[0]:
        return FileFeatures(path)
    baseline = load_baseline(path, device)
    return NetworkFeatures(f"{baseline.config.name} ({path.parent.name})", baseline)


def normalize(vectors: Float[Tensor, "photos features"]) -> Float[Tensor, "photos features"]:
    """L2-normalize embeddings, as the paper does before any distance."""
    return F.normalize(vectors.float(), dim=1)


def _read(path: Path) -> tuple[list[str], Tensor]:
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as file:
                names, vectors = file["names"], file["vectors"]
            return [str(name) for name in names], torch.from_numpy(vectors.astype(np.float32))
        except (
            *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError),
            *(MemoryError, OverflowError, zipfile.BadZipFile, zlib.error),
        ):
            raise InputError(
                f"{path} is not a file of vectors: an .npz with `names` (strings) and `vectors`."
            ) from None
    tensors, described = read_safetensors(path)
    try:
        names = json.loads(described["names"])
    except (KeyError, ValueError, RecursionError):
        names = None
    if (
        not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
        or "vectors" not in tensors
    ):
        raise InputError(f"{path} has vectors, but no JSON list `names` in its metadata.")
    return names, tensors["vectors"].float()
