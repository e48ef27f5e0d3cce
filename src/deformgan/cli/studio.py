"""`deformgan studio`: drag a skeleton in the browser and see the person move."""

from pathlib import Path


def studio(
    *,
    weights: str = "pedestrian",
    host: str = "127.0.0.1",
    port: int = 8000,
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
    if not 0 <= port < 1 << 16:
        raise InputError(f"--port is {port}; it must be from 0 to {(1 << 16) - 1}.")
    _serve(weights, host, port)


def _serve(weights: str, host: str, port: int) -> None:
    import socket
    from contextlib import suppress
    from importlib.util import find_spec

    from deformgan.errors import InputError

    if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "websockets")):
        raise InputError("The studio needs the extra 'web'; run `uv sync --extra web`.")
    import uvicorn

    from deformgan.studio.protocol import MOST_BYTES, MOST_HEADER
    from deformgan.studio.server import create_app
    from deformgan.studio.session import Shelf

    app = create_app(Shelf(weights))
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"Cannot listen on {host}, port {port}: {error}.") from None
    print(f"http://{host}:{listener.getsockname()[1]}/  (Ctrl-C to stop)", flush=True)
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws_max_size=MOST_BYTES + MOST_HEADER + 4,
        ws_per_message_deflate=False,  # photos and layers do not get smaller, only slower
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
