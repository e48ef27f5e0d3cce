"""`deformgan export`: weights as ONNX graphs for onnxruntime, browsers and OpenVINO."""

from pathlib import Path
from typing import Literal


def export(
    weights: str,
    /,
    *,
    out: Path,
    precision: tuple[Literal["fp32", "fp16", "int8"], ...] = ("fp32", "fp16", "int8"),
) -> int:
    """Export a generator as two ONNX graphs, checked against PyTorch on the bundled people.

    `source` computes what depends on the photo alone; `pose` takes that and a pose, and returns the
    picture, or the layers of pictures of any size if the weights have layers. docs/export.md
    describes inputs and outputs. Needs the extra `export`.

    Args:
        weights: Name of bundled weights or a .safetensors file.
        out: Folder for the graphs and `export.json`, which describes them and states how far their
            pictures are from PyTorch's. An earlier export in it is replaced.
        precision: Variants to write: fp32; fp16 (convolutions in half precision); int8 (weights of
            convolutions in 8 bits, computed in fp32).

    Returns:
        0, or 1 if a variant failed its check; it is then not written, and none is if fp32 fails.
    """
    import sys

    from deformgan.cli.outputs import output_dir
    from deformgan.export.export import export as export_weights

    created = not out.exists()
    output_dir(out)
    try:
        result = export_weights(weights, out, precision)
    finally:
        if created and not any(out.iterdir()):
            out.rmdir()
    for variant in result.written:
        size = sum(map(len, variant.files.values())) / 1e6
        found = variant.difference if variant.half is None else variant.half
        print(
            f"{variant.precision}  {' '.join(str(out / name) for name in variant.files)}: "
            f"{size:.1f} MB, from PyTorch {found.mean:.4f} grey levels, at most {found.largest:.3f}"
        )
    for failure in result.failures:
        print(f"deformgan: not written: {failure}", file=sys.stderr)
    return 1 if result.failures else 0
