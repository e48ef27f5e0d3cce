"""The command `deformgan study serve`."""

from pathlib import Path


def serve(study: Path, /, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve a human study in the browser, until Ctrl-C.

    Every answer is saved before the next picture is shown. A study that was stopped continues when
    it is served again, for every participant at the next picture. Needs the extra `web`.

    Args:
        study: TOML file that defines the study; see docs/study.md.
        host: Address to listen on; by default only this machine has access, 0.0.0.0 allows the
            whole network.
        port: Port to listen on; 0 selects a free one.
    """
    import socket
    from importlib.util import find_spec

    from deformgan.errors import InputError
    from deformgan.study.config import read_study

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise InputError("A study needs the extra 'web'; run `uv sync --extra web`.")
    if not 0 <= port < 1 << 16:
        raise InputError(f"--port is {port}; it must be from 0 to {(1 << 16) - 1}.")
    wanted = read_study(study)
    import uvicorn

    from deformgan.study.server import create_app
    from deformgan.study.store import Store

    store = Store(wanted)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        store.close()
        raise InputError(f"Cannot listen on {host}, port {port}: {error}.") from None
    print(f"http://{host}:{listener.getsockname()[1]}/  (Ctrl-C to stop)", flush=True)
    print(f"answers: {wanted.database}", flush=True)
    server = uvicorn.Server(uvicorn.Config(create_app(store), log_level="warning"))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        store.close()
