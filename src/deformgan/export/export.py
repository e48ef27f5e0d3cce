"""export: a generator as two ONNX graphs in several precisions, each checked before it is kept."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from deformgan.checkpoint import load_generator, weights_sum
from deformgan.errors import InputError
from deformgan.export.check import (
    GREY,
    Case,
    Difference,
    check_cases,
    measure,
    measure_half,
    open_graph,
)
from deformgan.export.graphs import PoseGraph, SourceGraph, check_exportable
from deformgan.export.onnx_graph import OPSET, in_half, in_int8, open_onnx_library, to_onnx
from deformgan.files import write_json, written_beside
from deformgan.models.generator import Generator
from deformgan.provenance import provenance
from deformgan.skeletons.openpose18 import OPENPOSE18

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
MANIFEST = "export.json"

# Largest allowed difference from PyTorch, in grey levels: of any pixel in fp32, on average else.
LIMITS: dict[Precision, float] = {"fp32": 1e-3 * GREY, "fp16": 0.5, "int8": 1.0}

_CHANGES: dict[Precision, Callable[[Any], Any]] = {
    "fp32": lambda model: model,
    "fp16": in_half,
    "int8": in_int8,
}


@dataclass(frozen=True)
class Variant:
    """Both graphs in one precision.

    Attributes:
        precision: Name of the precision.
        files: The serialized graphs by file name, source first.
        difference: From PyTorch, as onnxruntime computes the graphs on a CPU.
        half: The same for fp16 where convolutions are computed in float16, as on a GPU; on a CPU
            they are not.
    """

    precision: Precision
    files: dict[str, bytes]
    difference: Difference
    half: Difference | None

    @property
    def failure(self) -> str | None:
        """Why the variant is not kept; None if it is."""
        limit = LIMITS[self.precision]
        if self.precision == "fp32":
            which, found = "largest", self.difference.largest
        else:
            which, found = "mean", max(one.mean for one in (self.difference, self.half) if one)
        if found <= limit:
            return None
        return (
            f"{self.precision}: the {which} difference from PyTorch is {found:.3g} grey levels, "
            f"more than {limit:.3g}."
        )


@dataclass(frozen=True)
class Export:
    """The result of an export.

    Attributes:
        written: The variants in the folder.
        failures: Why others are not.
    """

    written: list[Variant]
    failures: list[str]


def export(
    weights: str | Path,
    out: Path,
    precisions: Sequence[Precision] = PRECISIONS,
    people: int | None = None,
) -> Export:
    """Export a generator as the ONNX graphs `source` and `pose` with a manifest beside them.

    Args:
        weights: Name of bundled weights, or path of a .safetensors file.
        out: Existing folder. What an earlier export wrote is replaced once all checks are done;
            nothing is written if fp32 fails its check.
        precisions: Variants to write.
        people: Number of bundled people to check with; by default all.

    Raises:
        InputError: If the weights cannot be exported or the extra `export` is not installed.
    """
    if not precisions:
        raise InputError(f"precision= is empty; it must name some of {', '.join(PRECISIONS)}.")
    open_onnx_library()
    generator, metadata = load_generator(weights, background=True)
    check_exportable(generator)
    if generator.skeleton.name != OPENPOSE18.name:
        raise InputError(
            f"These weights cannot be exported: their skeleton is {generator.skeleton.name}, and "
            f"exports are checked on people with {OPENPOSE18.name}."
        )
    if "size" not in metadata:
        raise InputError(f"The metadata of the weights {weights} lack the image size.")
    size = network_size(generator, tuple(metadata["size"]))
    cases = check_cases(generator, size, people)
    models = _convert(generator, size, cases[0])
    described = _describe(weights, generator, metadata, size)
    written, failures = [], []
    for precision in PRECISIONS:
        if precision != "fp32" and precision not in precisions:
            continue
        files = {}
        for name, model in models.items():
            changed = _CHANGES[precision](model)
            _add_metadata(changed, described | {"graph": name, "precision": precision})
            suffix = "" if precision == "fp32" else f".{precision}"
            files[f"{name}{suffix}.onnx"] = changed.SerializeToString(deterministic=True)
        difference = measure(cases, *map(open_graph, files.values()))
        half = measure_half(cases, generator, size, people) if precision == "fp16" else None
        variant = Variant(precision, files, difference, half)
        if variant.failure is not None:
            failures.append(variant.failure)
            if precision == "fp32":
                return Export([], failures)
        elif precision in precisions:
            written.append(variant)
    if written:
        _write(out, written, failures, described | {"pairs": len(cases)})
    return Export(written, failures)


def network_size(generator: Generator, trained: tuple[int, int]) -> tuple[int, int]:
    """Return height and width at which a generator works that was trained on images of a size."""
    return trained if generator.config.layers is None else generator.network_size(trained)


def _convert(generator: Generator, size: tuple[int, int], case: Case) -> dict[str, Any]:
    """Convert both graphs."""
    source, pose = SourceGraph(generator, size).eval(), PoseGraph(generator, size).eval()
    given = {name: torch.from_numpy(array) for name, array in (case.source | case.target).items()}
    with torch.no_grad():
        kept = source(*(given[name] for name in source.inputs))
    given |= dict(zip(source.outputs, kept, strict=True))
    return {
        name: to_onnx(graph, [given[one] for one in graph.inputs], graph.inputs, graph.outputs)
        for name, graph in (("source", source), ("pose", pose))
    }


def _describe(
    weights: str | Path, generator: Generator, metadata: dict[str, Any], size: tuple[int, int]
) -> dict[str, Any]:
    config = generator.config.layers
    made = {f"exported_{name}": value for name, value in provenance().items()}
    return {
        "weights": Path(weights).stem,
        "sha256": weights_sum(weights),
        "terms": metadata.get("terms", "none stated"),
        "trained": {name: value for name, value in metadata.items() if name != "terms"},
        "output": "picture" if config is None else "layers",
        "image_size": list(size),
        "photo_size": None if config is None else [2 * length for length in size],
        "skeleton": generator.skeleton.name,
        "joints": list(generator.skeleton.joints),
        "opset": OPSET,
        **made,
    }


def _add_metadata(model: Any, described: dict[str, Any]) -> None:
    """Write the description into a graph; what is not text as JSON."""
    import onnx

    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in described.items()
    }
    onnx.helper.set_model_props(model, texts)


def _write(
    out: Path, variants: Sequence[Variant], failures: list[str], described: dict[str, Any]
) -> None:
    report = described | {
        "variants": {
            variant.precision: {
                "files": {
                    name: {"bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}
                    for name, model in variant.files.items()
                },
                "difference_in_grey_levels": asdict(variant.difference),
                **(
                    {}
                    if variant.half is None
                    else {"difference_if_computed_in_float16": asdict(variant.half)}
                ),
            }
            for variant in variants
        },
        "failures": failures,
    }
    for name in ("source", "pose"):  # of an earlier export, of other weights perhaps
        for old in out.glob(f"{name}*.onnx"):
            old.unlink()
    for variant in variants:
        for name, model in variant.files.items():
            with written_beside(out / name) as unfinished:
                unfinished.write_bytes(model)
    write_json(out / MANIFEST, report)
