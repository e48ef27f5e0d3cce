"""The command `deformgan study serve`."""

from collections.abc import Sequence
from pathlib import Path


def serve(
    study: Path,
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_host: Sequence[str] = (),
) -> None:
    """Serve a human study in the browser, until Ctrl-C.

    Every answer is saved before the next picture is shown. A study that was stopped continues when
    it is served again, for every participant at the next picture. Needs the extra `web`.

    Args:
        study: TOML file that defines the study; see docs/study.md.
        host: Address to listen on; by default only this machine has access, 0.0.0.0 allows the
            whole network.
        port: Port to listen on; 0 selects a free one.
        allow_host: Names under which browsers address this server, such as study.example.org;
            localhost and IP addresses are always allowed.
    """
    from importlib.util import find_spec

    from deformgan.errors import InputError
    from deformgan.study.config import read_study

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise InputError('A study needs the extra "web": pip install "deformgan[web]".')
    from deformgan.serving.hosts import check_allowed
    from deformgan.serving.run import check_port, run
    from deformgan.study.server import create_app
    from deformgan.study.store import Store

    check_port(port)
    check_allowed(allow_host)
    wanted = read_study(study)
    store = Store(wanted)
    try:
        run(
            create_app(store),
            host=host,
            port=port,
            allow_hosts=allow_host,
            notes=[f"answers: {wanted.database}"],
        )
    finally:
        store.close()
