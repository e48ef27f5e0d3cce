"""read_keras_file: the weights in a Keras 2 file (.h5) of any network, layer by layer."""

import json
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deformgan.errors import InputError

# Exceptions of the HDF5 library, through h5py, for a file whose structure is inconsistent.
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError, OverflowError)
_PRECISIONS = (np.dtype(np.float16), np.dtype(np.float32))


@dataclass(frozen=True)
class KerasLayer:
    """A layer with weights.

    Attributes:
        name: Keras' name, such as `conv2d_3`; for a layer of a nested model, without the model's
            name.
        arrays: Arrays by role: `kernel`, `bias`, `gamma`, `beta`.
        paths: Path of each array in the file.
    """

    name: str
    arrays: dict[str, np.ndarray]
    paths: dict[str, str]


@dataclass(frozen=True)
class KerasFile:
    """The weights of a Keras model, and its architecture if the file has one.

    Attributes:
        layers: Layers with weights, in the file's order, which is the order of `model.layers`.
        names: Names of all entries in that order, with nested models and layers without weights.
        config: Parsed JSON of the architecture from `model.save`, not validated; None after
            `model.save_weights`.
        version: Version of Keras.
    """

    layers: list[KerasLayer]
    names: list[str]
    config: Any
    version: str


def read_keras_file(path: Path) -> KerasFile:
    """Read a file written by `model.save` or `model.save_weights` of Keras 2 with TensorFlow.

    Nothing in the file is executed: a saved architecture is parsed as JSON, never rebuilt. HDF5
    stores no checksum of plain arrays, so corrupted values go unnoticed.

    Args:
        path: The file.
    """
    h5py = _library()
    if not path.is_file():
        raise InputError(f"The Keras file {path} does not exist.")
    if not h5py.is_hdf5(path):
        if zipfile.is_zipfile(path):
            raise InputError(f"{path} is a Keras 3 file (.keras); the authors' are Keras 2's .h5.")
        raise InputError(f"{path} is not an HDF5 file (.h5), the format of Keras 2.")
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
                f"{path} was written with the backend {backend}; only tensorflow is supported."
            )
        names = _texts(root, "layer_names")
        layers = [layer for name in names for layer in _layers(path, h5py, root, name)]
        _check_leftovers(path, h5py, root, layers)
        whole = "model_config" in file.attrs
        config = json.loads(_text(file.attrs["model_config"])) if whole else None
    return KerasFile(layers, names, config, version)


def _library() -> Any:
    """Import h5py, or raise an error that names the extra that installs it."""
    try:
        import h5py
    except ImportError:
        raise InputError(
            'Keras files need the extra "keras": pip install "deformgan[keras]".'
        ) from None
    return h5py


@contextmanager
def _damage_reported(path: Path) -> Generator[None]:
    """Convert every exception of the HDF5 library into a one-sentence error."""
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is a damaged HDF5 file ({reason}).") from None


def _weights_group(path: Path, file: Any) -> Any:
    """Return the group that lists the layers: the root, or `model_weights` after `model.save`."""
    group = file.get("model_weights", file)
    if "layer_names" in group.attrs or "layer_names0" in group.attrs:
        return group
    if "layers" in file or "_layer_checkpoint_dependencies" in file:
        raise InputError(
            f"{path} has the layout of Keras 3 (.weights.h5); the authors' are Keras 2's .h5."
        )
    raise InputError(f"{path} holds no Keras weights: it lacks the attribute layer_names.")


def _text(value: object) -> str:
    """Decode bytes, as written by Keras; h5py returns text for a file that was rewritten."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _texts(group: Any, name: str) -> list[str]:
    """Read a list of texts, which Keras splits into numbered attributes if it is too long."""
    if name in group.attrs:
        return [_text(value) for value in group.attrs[name]]
    texts, piece = [], 0
    while f"{name}{piece}" in group.attrs:
        texts += [_text(value) for value in group.attrs[f"{name}{piece}"]]
        piece += 1
    return texts


def _layers(path: Path, h5py: Any, root: Any, name: str) -> list[KerasLayer]:
    """Read a layer, or the layers of a nested model, whose weights are flat in its group."""
    if name not in root:
        raise InputError(f"{path} lists the layer {name}, but holds no group of that name.")
    group, found = root[name], {}
    weights = _texts(group, "weight_names")
    scopes = [weight.rpartition("/")[0].rpartition("/")[2] for weight in weights]
    for weight, scope in zip(weights, scopes, strict=True):
        # A single scope is the layer's own, which TensorFlow may have renamed.
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
    # HDF5 returns zeros for data that was never written, and trusts any size in the file.
    if dataset.chunks is None and dataset.id.get_storage_size() != dataset.nbytes:
        raise InputError(f"{path}: the numbers of {dataset.name} are missing.")
    array = dataset[()].astype(np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {dataset.name} holds numbers that are not finite.")
    return array


def _check_leftovers(path: Path, h5py: Any, root: Any, layers: list[KerasLayer]) -> None:
    """Reject arrays that no list names: a sign of another format or of damage."""
    listed = {place for layer in layers for place in layer.paths.values()}

    def check(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.name not in listed:
            raise InputError(f"{path} holds {item.name}, which its lists of weights lack.")

    root.visititems(check)
