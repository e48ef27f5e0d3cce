"""find_weights and read_state on small files."""

import hashlib

import pytest
import torch

from deformgan.backbones.weights_file import find_weights, read_state
from deformgan.errors import InputError


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty hub folder of torch."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def published(tmp_path):
    """A file, its sum, and where it would have been published."""
    path = tmp_path / "somewhere.pth"
    torch.save({"weight": torch.ones(2)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path, digest, f"https://example.org/files/net-{digest[:8]}.pth"


def test_a_published_file_has_its_name_wherever_it_lies(hub, published):
    path, digest, url = published
    given = find_weights("The judge", url, path)
    assert (given.path, given.sha256, given.published) == (path, digest, True)
    assert given.name == f"net-{digest[:8]}"
    cached = hub / f"net-{digest[:8]}.pth"
    cached.write_bytes(path.read_bytes())
    found = find_weights("The judge", url, None, digest)
    assert (found.path, found.sha256, found.name) == (cached, digest, given.name)


def test_another_file_has_its_own_name(published):
    path, digest, _ = published
    other = find_weights("The judge", "https://example.org/net-01234567.pth", path)
    assert (other.name, other.published, other.sha256) == ("somewhere", False, digest)


def test_what_is_missing_is_named_with_its_place(hub, published, tmp_path):
    _, digest, url = published
    name = f"net-{digest[:8]}.pth"
    with pytest.raises(InputError, match=rf"no path is given: give a path to {name}, .*{hub}"):
        find_weights("The judge", url, None)
    with pytest.raises(InputError, match=rf"nothing\.pth does not exist: give a path to {name}"):
        find_weights("The judge", url, tmp_path / "nothing.pth")


def test_a_damaged_download_is_refused(hub, published):
    _, digest, url = published
    (hub / f"net-{digest[:8]}.pth").write_bytes(b"half a file")
    with pytest.raises(InputError, match=rf"is damaged: its SHA-256 .* has {digest[:8]}"):
        find_weights("The judge", url, None)


def test_reads_tensors_and_nothing_else(published, tmp_path):
    path, _, url = published
    state = read_state(find_weights("The judge", url, path), "a network")
    torch.testing.assert_close(state, {"weight": torch.ones(2)})
    for number, content in enumerate((torch.nn.Linear(2, 2), [1, 2])):
        wrong = tmp_path / f"{number}.pth"
        torch.save(content, wrong)
        with pytest.raises(InputError, match=r"\d\.pth is not a state dict of a network"):
            read_state(find_weights("The judge", url, wrong), "a network")
    text = tmp_path / "text.pth"
    text.write_text("weights")
    with pytest.raises(InputError, match="is not a state dict"):
        read_state(find_weights("The judge", url, text), "a network")
