"""export_site: the studio as static files, in which the browser computes everything itself."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

from deformgan.backbones.pose18_network import BUNDLED, CROP, load_network
from deformgan.errors import InputError
from deformgan.export.export import MANIFEST, Precision, export
from deformgan.export.onnx_graph import in_half, open_onnx_library, to_onnx
from deformgan.files import copy_file, write_text
from deformgan.picture_metadata import PictureMetadata
from deformgan.serving.headers import security_headers
from deformgan.studio.runtime import GPU, find_runtime
from deformgan.studio.shipped import KINDS, PAGE, about_page, example_photo

PRECISION: Precision = "int8"
_CHECKED = 3  # people with whom the graphs are checked
_ONLY_SERVER = ("server.js",)


def export_site(out: Path, weights: str, runtime: Path | None = None) -> dict[str, int]:
    """Write the studio as a folder for any web server.

    Args:
        out: Folder; created if missing. It must be empty or hold an earlier site.
        weights: Name of bundled weights or a .safetensors file, with layers.
        runtime: See `find_runtime`.

    Returns:
        Bytes of every file.

    Raises:
        InputError: If something is missing, or the weights cannot be used.
    """
    if out.exists() and (
        not out.is_dir() or (any(out.iterdir()) and not (out / "sw.js").is_file())
    ):
        raise InputError(f"The folder {out} exists and holds something else than a site.")
    open_onnx_library()
    shipped = find_runtime(runtime)
    with tempfile.TemporaryDirectory() as scratch:
        described = _write_graphs(Path(scratch), weights)
        out.mkdir(parents=True, exist_ok=True)
        for path in [*Path(scratch).glob("*.onnx"), *shipped_page()]:
            copy_file(path, out / path.name)
    for name, path in shipped.items():
        copy_file(path, out / name)
    copy_file(example_photo().path, out / "example.jpg")
    _add_policy(out / "index.html")
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    first = sum(size for name, size in sizes.items() if name not in GPU) / 1e6
    more = sum(sizes[name] for name in GPU) / 1e6
    about = about_page() | described
    about["sizes"] = (
        f"This page works without a server. It loads {first:.0f} MB once and is then there offline "
        f"too; {more:.0f} MB more where a graphics processor computes."
    )
    write_text(out / "about.json", json.dumps(about, separators=(",", ":")))
    _add_offline(out)
    return {path.name: path.stat().st_size for path in sorted(out.iterdir())}


def shipped_page() -> list[Path]:
    """Return the files of the page that a site has."""
    return [
        path
        for path in PAGE.iterdir()
        if path.suffix in KINDS and path.name not in (*_ONLY_SERVER, "sw.js")
    ]


def _write_graphs(folder: Path, weights: str) -> dict[str, Any]:
    """Write the graphs of generator and detector, and return what the page must know of them."""
    result = export(weights, folder, (PRECISION,), people=_CHECKED)
    if result.failures:
        raise InputError(result.failures[0])
    described = json.loads((folder / MANIFEST).read_text())
    if described["output"] != "layers":
        raise InputError(f"The weights {weights} have no layers, which a static site needs.")
    network, metadata = load_network(BUNDLED)
    rows, columns = (Dim(name, min=1, max=64) for name in ("rows", "columns"))
    axes = {2: 32 * rows, 3: 32 * columns}
    model = to_onnx(network, [torch.zeros(1, 3, *CROP)], ["image"], ["heat"], [axes])
    (folder / "pose18.onnx").write_bytes(in_half(model).SerializeToString(deterministic=True))
    return {
        "engine": "browser",
        "weights": [described["weights"]],
        "layered": True,
        "size": described["image_size"],
        "graphs": [f"{name}.{PRECISION}.onnx" for name in ("source", "pose")],
        "calibration": metadata["calibration"],
        "terms": described["terms"],
        "stated": {described["weights"]: PictureMetadata.of(weights, described).as_dict()},
    }


def _add_policy(page: Path) -> None:
    """Write the policy into the page, because a plain web server sends none."""
    name, frames = "Content-Security-Policy", "frame-ancestors 'none'"  # the latter not in pages
    policy = security_headers({"script-src": "'self' 'wasm-unsafe-eval'"})[name]
    tag = f'<meta http-equiv="{name}" content="{policy.replace(f"; {frames}", "")}">'
    text = page.read_text(encoding="utf-8")
    write_text(page, text.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n  {tag}'))


def _add_offline(out: Path) -> None:
    """Write the service worker, which keeps all files but those for graphics processors."""
    names = sorted(path.name for path in out.iterdir() if path.name not in (*GPU, "sw.js"))
    sums = [hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names]
    version = hashlib.sha256("".join(sums).encode()).hexdigest()[:16]
    head = f"const VERSION = {json.dumps(version)}, FILES = {json.dumps(['./', *names])};\n"
    write_text(out / "sw.js", head + (PAGE / "sw.js").read_text(encoding="utf-8"))
