"""Vectors by networks and from files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.errors import InputError
from deformgan.reid.baseline import Baseline, BaselineConfig, save_baseline
from deformgan.reid.features import open_features
from deformgan.reid.person_photos import read_person_photos

NAMES = [f"000{who}_c1s1_1_1.png" for who in range(1, 6)]


@pytest.fixture
def people(tmp_path):
    """Five photos of noise, one of another size."""
    folder = tmp_path / "people"
    folder.mkdir()
    random = np.random.default_rng(0)
    for row, name in enumerate(NAMES):
        size = (128, 64, 3) if row else (100, 50, 3)
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(folder / name)
    return read_person_photos(folder)


def test_networks_see_photos_in_batches(people, monkeypatch):
    monkeypatch.setattr("deformgan.reid.features.BATCH", 2)
    features = open_features("person_embedding")
    alone = torch.cat([features(people.take(torch.tensor([row]))) for row in range(1, 5)])
    torch.testing.assert_close(features(people)[2:], alone[1:], atol=1e-5, rtol=1e-4)
    expected = load_person_embedding()(people.take(torch.tensor([3])).images())
    torch.testing.assert_close(alone[2:3], expected, atol=1e-5, rtol=1e-4)


def test_a_baseline_of_ours_is_an_extractor(people, tmp_path):
    baseline = Baseline(BaselineConfig("light-ide", size=(64, 32))).eval()
    save_baseline(tmp_path / "baseline.safetensors", baseline, {})
    features = open_features(str(tmp_path / "baseline.safetensors"))
    assert features.name.startswith("light-ide")
    vectors = features(people.take(torch.tensor([1, 2])))
    expected = baseline(people.take(torch.tensor([1, 2])).images())
    torch.testing.assert_close(vectors, expected, atol=2e-2, rtol=2e-2)  # 16 bits


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_vectors_are_looked_up_by_name_in_any_order(people, tmp_path, kind):
    vectors = torch.randn(6, 3)
    names = [*reversed(NAMES), "other.png"]
    path = tmp_path / f"vectors.{kind}"
    if kind == "npz":
        np.savez(path, names=np.array(names), vectors=vectors.numpy())
    else:
        save_file({"vectors": vectors}, path, {"names": json.dumps(names)})
    found = open_features(str(path))(people)
    torch.testing.assert_close(found, vectors[:5].flip(0))


def test_files_that_will_not_do_are_refused_in_a_sentence(people, tmp_path):
    def refused(match, path):
        with pytest.raises(InputError, match=match):
            open_features(str(path))(people)

    path = tmp_path / "v.npz"
    refused("No extractor", path)
    np.savez(path, names=np.array(NAMES[:4]), vectors=np.zeros((4, 3)))
    refused(r"has no vector for 0005", path)
    np.savez(path, names=np.array(NAMES[:4]), vectors=np.zeros((5, 3)))
    refused("4 names", path)
    np.savez(path, names=np.array(NAMES[:2] * 2), vectors=np.zeros((4, 3)))
    refused("two vectors for", path)
    np.savez(path, names=np.array(NAMES), vectors=np.full((5, 3), np.nan))
    refused("non-finite", path)
    np.savez(path, vectors=np.zeros((5, 3)))
    refused("not a file of vectors", path)
    path.write_text("no")
    refused("not a file of vectors", path)
    np.savez(path, names=np.array(NAMES), vectors=np.ones((5, 3)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("not a file of vectors", path)
    at = whole.rindex(np.ones(3).tobytes())
    path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    refused("not a file of vectors", path)
    save_file({"vectors": torch.zeros(5, 3)}, tmp_path / "v.safetensors")
    refused("no JSON list `names`", tmp_path / "v.safetensors")
    (tmp_path / "w.safetensors").write_text("no")
    refused("not a safetensors file", tmp_path / "w.safetensors")
    (tmp_path / "w.onnx").write_text("no")
    refused("w.onnx", tmp_path / "w.onnx")
