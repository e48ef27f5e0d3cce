"""read_keras_file: what a Keras 2 file (.h5) holds, layer by layer, whatever the network."""

import json
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deformgan.errors import InputError

# What HDF5's library raises, by way of h5py, where a file's structure does not hold together.
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError, OverflowError)
_PRECISIONS = (np.dtype(np.float16), np.dtype(np.float32))


@dataclass(frozen=True)
class KerasLayer:
    """A layer that has weights.

    Attributes:
        name: As Keras named it, `conv2d_3`; inside a nested model without that model's name.
        arrays: By what they are: `kernel`, `bias`, `gamma`, `beta`.
        paths: Where each array is in the file.
    """

    name: str
    arrays: dict[str, np.ndarray]
    paths: dict[str, str]


@dataclass(frozen=True)
class KerasFile:
    """The weights of a Keras model, and its description if the file has one.

    Attributes:
        layers: Those with weights, in the file's order, which is the order of `model.layers`.
        names: Of all entries of that order, also those without weights and nested models.
        config: What `model.save` writes of the architecture, whatever it may be; None after
            `model.save_weights`.
        version: Of Keras.
    """

    layers: list[KerasLayer]
    names: list[str]
    config: Any
    version: str


def read_keras_file(path: Path) -> KerasFile:
    """Reads a file that `model.save` or `model.save_weights` of Keras 2 wrote with TensorFlow.

    Nothing in the file is executed: a saved architecture is read as JSON, never rebuilt. HDF5 keeps
    no checksum of plain arrays, so a number changed into another number goes unnoticed.

    Args:
        path: The file.
    """
    h5py = _library()
    if not path.is_file():
        raise InputError(f"The Keras file {path} does not exist.")
    if not h5py.is_hdf5(path):
        if zipfile.is_zipfile(path):
            raise InputError(f"{path} is a Keras 3 file (.keras); the authors' are Keras 2's .h5.")
        raise InputError(f"{path} is not an HDF5 file, as Keras 2 writes them (.h5).")
    with _damage_reported(path), h5py.File(path, "r") as file:
        root = _weights_group(path, file)
        version, backend = (
            _text((root if name in root.attrs else file).attrs.get(name, "unknown"))
            for name in ("keras_version", "backend")
        )
        if not version.startswith("2."):
            raise InputError(f"{path} was written by Keras {version}; the authors' are Keras 2's.")
        if backend != "tensorflow":
            raise InputError(
                f"{path} was written with the backend {backend}; only tensorflow's layout is known."
            )
        names = _texts(root, "layer_names")
        layers = [layer for name in names for layer in _layers(path, h5py, root, name)]
        _check_leftovers(path, h5py, root, layers)
        whole = "model_config" in file.attrs
        config = json.loads(_text(file.attrs["model_config"])) if whole else None
    return KerasFile(layers, names, config, version)


def _library() -> Any:
    """Gives h5py, or says which extra brings it."""
    try:
        import h5py
    except ImportError:
        raise InputError(
            'Keras files need the extra "keras": pip install "deformgan[keras]".'
        ) from None
    return h5py


@contextmanager
def _damage_reported(path: Path) -> Generator[None]:
    """Turns whatever HDF5's library says of a broken file into one sentence."""
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is a damaged HDF5 file ({reason}).") from None


def _weights_group(path: Path, file: Any) -> Any:
    """Finds the group that lists the layers: the root, or `model_weights` after `model.save`."""
    group = file.get("model_weights", file)
    if "layer_names" in group.attrs or "layer_names0" in group.attrs:
        return group
    if "layers" in file or "_layer_checkpoint_dependencies" in file:
        raise InputError(
            f"{path} is laid out as Keras 3 does (.weights.h5); the authors' are Keras 2's .h5."
        )
    raise InputError(f"{path} holds no Keras weights: it lacks the attribute layer_names.")


def _text(value: object) -> str:
    """Keras writes bytes; h5py gives those or, where somebody rewrote the file, text."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _texts(group: Any, name: str) -> list[str]:
    """Reads a list that Keras cuts into numbered pieces where it exceeds what a header holds."""
    if name in group.attrs:
        return [_text(value) for value in group.attrs[name]]
    texts, piece = [], 0
    while f"{name}{piece}" in group.attrs:
        texts += [_text(value) for value in group.attrs[f"{name}{piece}"]]
        piece += 1
    return texts


def _layers(path: Path, h5py: Any, root: Any, name: str) -> list[KerasLayer]:
    """Reads a layer, or the layers of a nested model, whose weights lie flat in its group."""
    if name not in root:
        raise InputError(f"{path} lists the layer {name}, but holds no group of that name.")
    group, found = root[name], {}
    weights = _texts(group, "weight_names")
    scopes = [weight.rpartition("/")[0].rpartition("/")[2] for weight in weights]
    for weight, scope in zip(weights, scopes, strict=True):
        # One scope is the layer's own, which TensorFlow may have renamed.
        layer = scope if len(set(scopes)) > 1 else name
        entry = found.setdefault(layer, KerasLayer(layer, {}, {}))
        role = weight.rpartition("/")[2].partition(":")[0]
        if weight not in group or role in entry.arrays:
            fault = "twice" if role in entry.arrays else "but does not hold it"
            raise InputError(f"{path} lists the array {weight} of {name} {fault}.")
        entry.arrays[role] = _array(path, h5py, group[weight])
        entry.paths[role] = group[weight].name
    return list(found.values())


def _array(path: Path, h5py: Any, dataset: Any) -> np.ndarray:
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.newbyteorder("=") not in _PRECISIONS:
        raise InputError(f"{path}: {dataset.name} is not an array of 16 or 32 bit numbers.")
    # HDF5 hands out zeros where nothing was ever written, and believes any size that it reads.
    if dataset.chunks is None and dataset.id.get_storage_size() != dataset.nbytes:
        raise InputError(f"{path}: the numbers of {dataset.name} are missing.")
    array = dataset[()].astype(np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {dataset.name} holds numbers that are not finite.")
    return array


def _check_leftovers(path: Path, h5py: Any, root: Any, layers: list[KerasLayer]) -> None:
    """An array that no list names is a sign of another format, or of damage."""
    listed = {place for layer in layers for place in layer.paths.values()}

    def check(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.name not in listed:
            raise InputError(f"{path} holds {item.name}, which its lists of weights lack.")

    root.visititems(check)
