"""`deformgan studio`: drag a skeleton in the browser and see the person move."""

from pathlib import Path


def studio(
    *,
    weights: str = "pedestrian",
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_host: tuple[str, ...] = (),
    export: Path | None = None,
    runtime: Path | None = None,
) -> None:
    """Serve a page on which a person in a photo follows a dragged skeleton, until Ctrl-C.

    Photos stay in memory and are gone when the page is closed. With `--export`, writes the page as
    a folder of static files instead, in which the browser computes everything itself; any web
    server can serve it. Needs the extra `web`; `--export` needs the extra `export`.

    Args:
        weights: Name of bundled weights or a .safetensors file; the page offers the bundled ones.
        host: Address to listen on; by default only this machine has access, 0.0.0.0 allows the
            whole network.
        port: Port to listen on; 0 selects a free one.
        allow_host: Names under which browsers address this server; localhost and IP addresses are
            always allowed.
        export: Folder for the static page (created if missing).
        runtime: Unpacked npm package onnxruntime-web for `--export`; by default npm fetches it.
    """
    from deformgan.errors import InputError

    if export is not None:
        from deformgan.studio.site import export_site

        for name, size in export_site(export, weights, runtime).items():
            print(f"{size / 1e6:7.1f} MB  {name}")
        print(f"{export}: serve it with `python -m http.server -d {export}`, for example")
        return
    if runtime is not None:
        raise InputError("runtime= is only used together with export=.")
    _serve(weights, host, port, allow_host)


def _serve(weights: str, host: str, port: int, allow_host: tuple[str, ...]) -> None:
    from importlib.util import find_spec

    from deformgan.errors import InputError

    if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "websockets")):
        raise InputError('The studio needs the extra "web": pip install "deformgan[web]".')
    from deformgan.serving.hosts import check_allowed
    from deformgan.serving.run import check_port, run
    from deformgan.studio.server import HEADERS, LIMITS, create_app
    from deformgan.studio.session import Shelf

    check_port(port)
    check_allowed(allow_host)
    app = create_app(Shelf(weights))
    run(app, host=host, port=port, allow_hosts=allow_host, limits=LIMITS, headers=HEADERS)
