"""Whether generated and real person are alike, by small ONNX networks whose answers are known."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.market1501 import Market1501
from deformgan.errors import InputError
from deformgan.evaluation.identity import Extractor, identity

onnx = pytest.importorskip("onnx", reason="builds small networks with onnx")
pytest.importorskip("onnxruntime", reason="needs the extra pose")

SIZE = (16, 8)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def flat(path, batch="batch", size=SIZE, channels=3, vectors=True):
    """Save a network that gives its input: flattened, or as it is."""
    make, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = make.make_graph(
        [make.make_node("Flatten" if vectors else "Identity", ["images"], ["found"])],
        "network",
        [make.make_tensor_value_info("images", floats, [batch, channels, *size])],
        [make.make_tensor_value_info("found", floats, None)],
    )
    opset = [make.make_opsetid("", 17)]
    onnx.save(make.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def by_definition(image, size=SIZE):
    """Resize by Pillow, normalize and flatten one image, pixel by pixel."""
    planes = []
    for channel in range(3):
        plane = Image.fromarray(image[channel].numpy().astype(np.float32))
        shrunk = np.asarray(plane.resize((size[1], size[0]), Image.Resampling.BILINEAR))
        for row in shrunk:
            planes += [(float(v) / 255 - MEAN[channel]) / DEVIATION[channel] for v in row]
    return np.array(planes)


def pictures(count, size=(32, 16)):
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8)


@pytest.mark.parametrize("size", [(8, 4), (16, 8), (32, 16), (50, 40)])
def test_matches_the_definition(tmp_path, size):
    generated, target = pictures(3, size), pictures(3, size)
    found = identity(generated, target, Extractor(flat(tmp_path / "x.onnx")))
    for one, other, cosine in zip(generated, target, found.tolist(), strict=True):
        a, b = by_definition(one), by_definition(other)
        expected = float(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))
        assert cosine == pytest.approx(expected, abs=1e-5)


def test_a_photo_is_like_itself_and_order_does_not_matter(tmp_path):
    extractor = Extractor(flat(tmp_path / "x.onnx"))
    generated, target = pictures(4), pictures(4)
    itself = identity(target, target, extractor)
    # The vectors are brought to length 1 in single precision.
    torch.testing.assert_close(itself, torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-6)
    swapped = identity(target, generated, extractor)
    torch.testing.assert_close(identity(generated, target, extractor), swapped)
    assert (swapped.abs() < 0.9).all()


def test_generated_image_and_photo_may_differ_in_size(tmp_path):
    extractor = Extractor(flat(tmp_path / "x.onnx"))
    small = pictures(2, SIZE)
    large = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert (identity(small, large, extractor) > 0.9).all()


@pytest.mark.parametrize("batch", ["batch", 1])
def test_does_not_depend_on_the_batch(tmp_path, monkeypatch, batch):
    monkeypatch.setattr("deformgan.evaluation.identity.BATCH", 3)
    extractor = Extractor(flat(tmp_path / "x.onnx", batch=batch), threads=2)
    images = pictures(8)
    together = extractor(images)
    expected = torch.from_numpy(np.stack([by_definition(image) for image in images])).float()
    torch.testing.assert_close(together, torch.nn.functional.normalize(expected), atol=1e-5, rtol=0)
    alone = torch.cat([extractor(images[[row]]) for row in range(8)])
    torch.testing.assert_close(alone, together)


@pytest.mark.parametrize(
    "options", [{"size": ("height", "width")}, {"channels": 1}, {"vectors": False}]
)
def test_a_network_of_another_kind_is_refused(tmp_path, options):
    with pytest.raises(InputError, match="not a Re-ID extractor"):
        Extractor(flat(tmp_path / "x.onnx", **options))


def test_a_network_of_two_images_at_a_time_is_refused(tmp_path):
    with pytest.raises(InputError, match="takes 2 images at a time; 1 or any number is needed"):
        Extractor(flat(tmp_path / "x.onnx", batch=2))


def test_the_detector_of_people_is_no_extractor(outside_weights):
    with pytest.raises(InputError, match="not a Re-ID extractor"):
        Extractor(outside_weights / "FastestDet.onnx")


def test_a_missing_file_or_library_is_said(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="does not exist"):
        Extractor(tmp_path / "x.onnx")
    (tmp_path / "x.onnx").write_bytes(b"not a model" * 10)
    with pytest.raises(InputError, match="not an ONNX model"):
        Extractor(tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"extractor needs .*deformgan\[pose\]"):
        Extractor(tmp_path / "x.onnx")


def test_osnet_tells_people_apart(market1501, outside_weights):
    osnet = Extractor(outside_weights / "osnet_x0_25_msmt17.onnx")
    data = Market1501(market1501, split="test")
    groups = {}
    for row, name in enumerate(data.identities):
        groups.setdefault(name, []).append(row)
    people = list(groups.values())[:12]
    first, second = (
        torch.stack([_decoded(data.paths[rows[place]]) for rows in people]) for place in (0, -1)
    )
    same = identity(first, second, osnet).mean()
    strangers = identity(first, second.roll(1, dims=0), osnet).mean()
    assert same > 0.6
    assert strangers < 0.55


def _decoded(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
