"""Exported graphs in a real browser: difference from PyTorch, milliseconds, size.

Runs both graphs of `deformgan export` in headless Chromium with onnxruntime-web:

    deformgan export pedestrian --out EXPORT
    npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz
    python benchmarks/browser_export.py EXPORT --runtime package/dist

Needs the development dependencies and Chromium. For every variant and back end (wasm with one
thread and with several, WebGPU if the browser has it) it generates bundled people in other poses,
composes the pictures with the NumPy decoder, and compares them with PyTorch.
"""

import argparse
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from deformgan.bench.timing import Spread
from deformgan.checkpoint import load_generator
from deformgan.export.check import Case, check_cases, compare
from deformgan.files import write_json

_PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
import * as ort from "./runtime/%(module)s";
ort.env.wasm.wasmPaths = new URL("./runtime/", location.href).href;
ort.env.wasm.numThreads = %(threads)d;
ort.env.logLevel = "error";
const load = async (name) => ort.InferenceSession.create(
  await (await fetch(name)).arrayBuffer().then((bytes) => new Uint8Array(bytes)),
  {executionProviders: ["%(provider)s"]});
const tensors = async (name) => {
  const about = await (await fetch(`${name}.json`)).json();
  const bytes = await (await fetch(`${name}.bin`)).arrayBuffer();
  return Object.fromEntries(about.map(({name, shape, start, count}) =>
    [name, new ort.Tensor("float32", new Float32Array(bytes, start * 4, count), shape)]));
};
const only = (session, given) =>
  Object.fromEntries(session.inputNames.map((name) => [name, given[name]]));
const read = async (found) => {
  const arrays = {};
  for (const [name, tensor] of Object.entries(found)) {
    const bytes = new Uint8Array((await tensor.getData()).slice().buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768)
      text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    arrays[name] = {shape: tensor.dims, data: btoa(text)};
  }
  return arrays;
};
let source, pose;
window.start = async (suffix) => {
  const before = performance.now();
  source = await load(`source${suffix}.onnx`);
  pose = await load(`pose${suffix}.onnx`);
  return {milliseconds: performance.now() - before, threads: ort.env.wasm.numThreads,
          isolated: self.crossOriginIsolated};
};
window.run = async (number) => {
  const given = await tensors(`case${number}`);
  const kept = await source.run(only(source, given));
  return read(await pose.run(only(pose, {...given, ...kept})));
};
window.time = async (repeats) => {
  const given = await tensors("case0");
  const times = {source: [], pose: []};
  const kept = await source.run(only(source, given));
  const all = {...given, ...kept};
  await pose.run(only(pose, all));
  for (let i = 0; i < repeats; i++) {
    let before = performance.now();
    await source.run(only(source, given));
    times.source.push(performance.now() - before);
    before = performance.now();
    const found = await pose.run(only(pose, all));
    for (const tensor of Object.values(found)) await tensor.getData();
    times.pose.push(performance.now() - before);
  }
  return times;
};
window.ready = true;
</script>"""

# The module of onnxruntime-web, its execution provider, and the number of threads.
_BACK_ENDS = {
    "wasm, 1 thread": ("ort.wasm.bundle.min.mjs", "wasm", 1),
    "wasm, 2 threads": ("ort.wasm.bundle.min.mjs", "wasm", 2),
    "webgpu": ("ort.webgpu.bundle.min.mjs", "webgpu", 1),
}
_SUFFIXES = {"fp32": "", "fp16": ".fp16", "int8": ".int8"}


class _Handler(SimpleHTTPRequestHandler):
    """Serve with the headers that threads in WebAssembly need."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args) -> None:
        pass


@contextmanager
def _serve(folder: Path) -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def _write_case(folder: Path, number: int, case: Case) -> None:
    about, start, parts = [], 0, []
    for name, array in (case.source | case.target).items():
        flat = np.ascontiguousarray(array, np.float32).ravel()
        about.append({"name": name, "shape": list(array.shape), "start": start, "count": flat.size})
        parts.append(flat)
        start += flat.size
    (folder / f"case{number}.json").write_text(json.dumps(about))
    (folder / f"case{number}.bin").write_bytes(np.concatenate(parts).tobytes())


def _arrays(found: dict) -> dict[str, np.ndarray]:
    from base64 import b64decode

    return {
        name: np.frombuffer(b64decode(one["data"]), np.float32).reshape(one["shape"])
        for name, one in found.items()
    }


def _measure(page, suffix: str, cases: list[Case], repeats: int) -> dict:
    started = page.evaluate("suffix => window.start(suffix)", suffix)
    outputs = [
        _arrays(page.evaluate("number => window.run(number)", number))
        for number in range(len(cases))
    ]
    difference = compare(cases, outputs)
    times = page.evaluate("repeats => window.time(repeats)", repeats)
    spreads = {name: Spread.of(list(map(float, taken))) for name, taken in times.items()}
    return {
        "milliseconds": {
            name: {"median": one.median, "p95": one.p95, "repetitions": one.repetitions}
            for name, one in spreads.items()
        },
        "load_milliseconds": started["milliseconds"],
        "threads": started["threads"],
        "grey_levels": {
            "mean": difference.mean,
            "p99.9": difference.most,
            "largest": difference.largest,
        },
    }


def main() -> None:
    """Measure all variants in all back ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path, help="folder of `deformgan export`")
    parser.add_argument("--runtime", type=Path, required=True, help="dist of onnxruntime-web")
    parser.add_argument("--people", type=int, default=4, help="bundled people to compare")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--back-ends", nargs="+", default=list(_BACK_ENDS), choices=_BACK_ENDS)
    parser.add_argument("--variants", nargs="+", default=list(_SUFFIXES), choices=_SUFFIXES)
    parser.add_argument(
        "--swiftshader", action="store_true", help="WebGPU on the CPU, to compare pictures only"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    from playwright.sync_api import Error, sync_playwright

    about = json.loads((given.export / "export.json").read_text())
    generator, _ = load_generator(about["weights"])
    cases = check_cases(generator, tuple(about["image_size"]), given.people)
    report = {"weights": about["weights"], "pairs": len(cases), "rows": {}}
    with TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        (folder / "runtime").symlink_to(given.runtime.resolve())
        for file in given.export.glob("*.onnx"):
            (folder / file.name).symlink_to(file.resolve())
        for number, case in enumerate(cases):
            _write_case(folder, number, case)
        flags = ["--no-sandbox", "--enable-unsafe-webgpu", "--enable-features=Vulkan"]
        if given.swiftshader:
            flags += ["--use-angle=swiftshader", "--use-webgpu-adapter=swiftshader"]
        browser = playwright.chromium.launch(executable_path=given.chromium, args=flags)
        report["browser"] = f"Chromium {browser.version}"
        with _serve(folder) as address:
            for name in given.back_ends:
                module, provider, threads = _BACK_ENDS[name]
                (folder / "index.html").write_text(
                    _PAGE % {"module": module, "provider": provider, "threads": threads}
                )
                for variant in given.variants:
                    suffix = _SUFFIXES[variant]
                    if not (folder / f"pose{suffix}.onnx").exists():
                        continue
                    page = browser.new_page()
                    page.set_default_timeout(600_000)
                    page.goto(f"{address}/index.html")
                    page.wait_for_function("window.ready")
                    try:
                        row = _measure(page, suffix, cases, given.repeats)
                    except Error as error:
                        row = {"problem": str(error).splitlines()[0]}
                    report["rows"][f"{name}, {variant}"] = row
                    print(f"{name}, {variant}: {json.dumps(row)}", flush=True)
                    page.close()
        browser.close()
    if given.json:
        write_json(given.json, report)


if __name__ == "__main__":
    main()
