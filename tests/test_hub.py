"""Weights from a hub that runs here: the real client, a server with one repository."""

import hashlib
import http.server
import sys
import threading

import pytest

from deformgan.checkpoint import find_weights_file, save_generator, weights_sum
from deformgan.cli.main import main
from deformgan.errors import InputError
from deformgan.hub import fetch_weights
from deformgan.predict import PoseTransfer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _forget():
    fetch_weights.cache_clear()


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_generator):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, tiny_generator, {"size": [128, 64], "terms": "for tests"})
    return path


def move(monkeypatch, address):
    """Let the client find the hub at another address, and not wait between tries."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def hub(weights, tmp_path, monkeypatch):
    """A hub with the repository someone/tiny, revisions main and v1; the paths it was asked for."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra 'hub'")
    content, asked = weights.read_bytes(), []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            asked.append(self.path)
            known = [
                f"/someone/tiny/resolve/{revision}/{file}"
                for revision in ("main", "v1")
                for file in ("generator.safetensors", "more/other.safetensors")
            ]
            self.send_response(200 if self.path in known else 404)
            if self.path in known:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", str(len(content)))
            else:
                code = "EntryNotFound" if "/someone/tiny/" in self.path else "RepoNotFound"
                self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
            self.end_headers()
            if self.command == "GET" and self.path in known:
                self.wfile.write(content)

        def log_message(self, format, *args):
            """Write nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    move(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield asked
    server.shutdown()
    server.server_close()


def test_weights_of_a_repository_are_fetched_once(hub, weights):
    transfer = PoseTransfer.from_pretrained("hf://someone/tiny", "cpu")
    assert "with the weights tiny; not a photo. Terms of the weights: for tests." in (
        transfer.metadata.text
    )
    count = len(hub)
    assert weights_sum("hf://someone/tiny") == weights_sum(weights)
    assert len(hub) == count
    files = {path.rpartition("/")[2] for path in hub if "/resolve/" in path}
    assert files == {"generator.safetensors"}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("hf://someone/tiny@v1", "/someone/tiny/resolve/v1/generator.safetensors"),
        (
            "hf://someone/tiny/more/other.safetensors@v1",
            "/someone/tiny/resolve/v1/more/other.safetensors",
        ),
    ],
)
def test_a_revision_and_a_file_can_be_named(hub, weights, name, asked):
    assert find_weights_file(name).read_bytes() == weights.read_bytes()
    assert {path for path in hub if "/resolve/" in path} == {asked}


@pytest.mark.parametrize("name", ["hf://someone/else", "hf://someone/tiny@v2"])
def test_what_the_hub_lacks_is_one_line_and_exit_code_2(hub, tmp_path, capsys, name):
    files = ["generate", "a.jpg", "b.jpg", "--out", str(tmp_path / "o.png"), "--weights", name]
    assert main(files) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"deformgan: {name} cannot be fetched: ")
    assert said.count("\n") == 1
    assert len(said) < 400


def test_without_the_network_the_cached_file_is_used_and_others_are_one_line(
    hub, monkeypatch, capfd
):
    first = find_weights_file("hf://someone/tiny")
    fetch_weights.cache_clear()
    move(monkeypatch, "http://127.0.0.1:9")
    assert find_weights_file("hf://someone/tiny") == first
    with pytest.raises(InputError, match=r"^hf://someone/tiny@v1 cannot be fetched: "):
        find_weights_file("hf://someone/tiny@v1")
    assert not capfd.readouterr().err  # of the library, which tries several times


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r'pip install "deformgan\[hub\]"'):
        find_weights_file("hf://someone/tiny")


@pytest.mark.parametrize(
    "name",
    ["hf://tiny", "hf://a/b/c", "hf://a/b/model.bin", "hf://a/../b", "hf://a/b@", "hf://a/b@../c"],
)
def test_what_is_no_name_on_the_hub_is_refused_without_asking_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="no name on the hub"):
        find_weights_file(name)


def test_paths_and_bundled_names_never_ask_the_hub(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.chdir(tmp_path)
    inside = tmp_path / "hf:" / "someone" / "tiny"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(weights.read_bytes())
    assert find_weights_file("hf://someone/tiny").read_bytes() == weights.read_bytes()
    assert find_weights_file("pedestrian").stem == "pedestrian"
    with pytest.raises(InputError, match=r"No weights 'someone/tiny'"):
        find_weights_file("someone/tiny")
