"""Vectors of people: by a network, ours or an ONNX file, or read from a file of them."""

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
from safetensors import SafetensorError, safe_open
from torch import Tensor

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.datasets.image_cache import load_images
from deformgan.datasets.photo_set import photo_size
from deformgan.errors import InputError
from deformgan.evaluation.identity import Extractor
from deformgan.reid.baseline import load_baseline
from deformgan.reid.person_photos import PersonPhotos, stretch_all

BATCH = 64  # photos at a time
BUNDLED = "person_embedding"


@runtime_checkable
class Features(Protocol):
    """Gives photos of people vectors.

    Attributes:
        name: What a report calls it.
    """

    name: str

    def __call__(
        self, photos: PersonPhotos, progress: Callable = lambda batches, _: batches
    ) -> Float[Tensor, "photos features"]:
        """Describes the person in every photo.

        Args:
            photos: Files of photos.
            progress: Passes batches on and tells somebody how far it is.
        """
        ...


class NetworkFeatures:
    """Shows photos to a network, some at a time.

    Args:
        name: See `Features`.
        extract: Gives images vectors.
    """

    def __init__(self, name: str, extract: Callable[[UInt8[Tensor, "..."]], Tensor]):
        self.name = name
        self._extract = extract

    def __call__(
        self, photos: PersonPhotos, progress: Callable = lambda batches, _: batches
    ) -> Float[Tensor, "photos features"]:
        """Describes the person in every photo; memory holds one batch of them."""
        vectors = []
        starts = range(0, len(photos), BATCH)
        for first in progress(starts, "photos"):
            paths = photos.paths[first : first + BATCH]
            # Networks bring images to their own size; here only those of a batch must be alike.
            size = photo_size(paths[0])
            vectors.append(self._extract(load_images(paths, size, stretch_all(paths, size))))
        return torch.cat(vectors)


class FileFeatures:
    """Looks vectors up by the photos' names.

    Args:
        path: .npz or .safetensors with `vectors` (photos, features), and the photos' names: `names`
            in the .npz, or one JSON list under that key of the .safetensors' metadata.
    """

    def __init__(self, path: Path):
        self.name = path.stem
        self._path = path
        names, vectors = _read(path)
        if vectors.ndim != 2 or len(names) != len(vectors):
            raise InputError(
                f"{path} has {len(names)} names and vectors of shape {tuple(vectors.shape)}; one "
                "vector per name is wanted."
            )
        if not vectors.isfinite().all():
            raise InputError(f"{path} has vectors that are not finite.")
        self._vectors = vectors
        self._rows = {name: row for row, name in enumerate(names)}
        if len(self._rows) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path} has two vectors of {twice}.")

    def __call__(
        self, photos: PersonPhotos, progress: Callable = lambda batches, _: batches
    ) -> Float[Tensor, "photos features"]:
        """Gives the vectors of photos, all of which the file must name."""
        lacking = [name for name in photos.names if name not in self._rows]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise InputError(f"{self._path} has no vector of {lacking[0]}{more}.")
        return self._vectors[[self._rows[name] for name in photos.names]]


def open_features(extractor: str, device: str = "cpu") -> Features:
    """Opens whatever gives vectors.

    Args:
        extractor: "person_embedding" (bundled), an .onnx file (RGB/255 with ImageNet's mean and
            deviation, resized to its own input), a baseline that `reid train` wrote
            (.safetensors), or a file of vectors (.npz, .safetensors; see `FileFeatures`).
        device: Where networks of ours compute.
    """
    if extractor == BUNDLED:
        return NetworkFeatures(BUNDLED, load_person_embedding().to(device))
    path = Path(extractor)
    if not path.is_file():
        raise InputError(
            f"No extractor {extractor!r}; give {BUNDLED}, an .onnx file, a baseline.safetensors, "
            "or a file of vectors (.npz, .safetensors)."
        )
    if path.suffix == ".onnx":
        return NetworkFeatures(path.stem, Extractor(path))
    if path.suffix == ".npz" or _holds_vectors(path):
        return FileFeatures(path)
    baseline = load_baseline(path, device)
    return NetworkFeatures(f"{baseline.config.name} ({path.parent.name})", baseline)


def normalize(vectors: Float[Tensor, "photos features"]) -> Float[Tensor, "photos features"]:
    """Gives vectors length 1, as the paper does before any distance."""
    return F.normalize(vectors.float(), dim=1)


def _holds_vectors(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return "vectors" in file.keys()  # noqa: SIM118
    except (SafetensorError, OSError):
        return False  # `load_baseline` says what it is not


def _read(path: Path) -> tuple[list[str], Tensor]:
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as file:
                names, vectors = file["names"], file["vectors"]
            return [str(name) for name in names], torch.from_numpy(vectors.astype(np.float32))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
            raise InputError(
                f"{path} is not a file of vectors: an .npz with `names` (texts) and `vectors`."
            ) from None
    with safe_open(path, framework="pt") as file:
        described, vectors = file.metadata() or {}, file.get_tensor("vectors").float()
    try:
        names = json.loads(described["names"])
    except (KeyError, ValueError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path} has vectors, but its metadata lack the JSON list `names`.")
    return names, vectors
