"""LPIPS: its arithmetic, and the whole of it against torchmetrics."""

from typing import Any

import pytest
import torch
import torchvision

from deformgan.metrics.lpips import feature_distance, lpips

BACKBONES = [("alex", "alexnet"), ("vgg", "vgg16")]


def noise(seed, batch=3, size=(64, 48)):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8, generator=random)


@pytest.fixture(scope="module", params=BACKBONES, ids=["alex", "vgg"])
def both(request, tmp_path_factory):
    """Our network and torchmetrics' with the same random backbone and the published heads."""
    theirs = pytest.importorskip("torchmetrics.functional.image.lpips", reason="needs torchmetrics")
    from deformgan.backbones.lpips import LpipsFeatures

    backbone, name = request.param
    with torch.device("meta"):
        network: Any = torchvision.models.get_model(name, weights=None)
    layers = network.features.to_empty(device="cpu")
    torch.manual_seed(0)
    for key, parameter in layers.named_parameters():
        if key.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.05)
        else:  # as loud as trained layers, so that what reaches the last depends on the image
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs, "_get_tv_model_features", lambda *_: layers)
        judge = theirs._NoTrainLpips(net=backbone)
    path = tmp_path_factory.mktemp(name) / "x.pth"
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()}, path)
    return LpipsFeatures(backbone, path), judge, theirs


def test_matches_torchmetrics(both):
    ours, judge, theirs = both
    a, b = noise(1), noise(2)
    b[1] = a[1].roll(2, dims=-1)
    expected = theirs._lpips_update(a / 127.5 - 1, b / 127.5 - 1, judge, normalize=False)
    assert (expected > 1e-3).all()
    torch.testing.assert_close(lpips(a, b, ours).float(), expected, rtol=1e-6, atol=1e-6)


def test_is_symmetric_and_zero_for_identical_images(both):
    ours, *_ = both
    a, b = noise(1), noise(2)
    assert lpips(a, a, ours).tolist() == [0, 0, 0]
    torch.testing.assert_close(lpips(a, b, ours), lpips(b, a, ours))
    torch.testing.assert_close(lpips(a, b, ours)[2:], lpips(a[2:], b[2:], ours))


def test_features_are_compared_as_in_the_definition():
    a = [torch.randn(2, 3, 4, 5), torch.randn(2, 6, 2, 2)]
    b = [torch.randn(2, 3, 4, 5), torch.randn(2, 6, 2, 2)]
    heads = [torch.rand(3), torch.rand(6)]
    expected = []
    for image in range(2):
        total = 0.0
        for x, y, head in zip(a, b, heads, strict=True):
            height, width = x.shape[2:]
            for row in range(height):
                for column in range(width):
                    p, q = x[image, :, row, column], y[image, :, row, column]
                    step = p / p.norm() - q / q.norm()
                    total += (head * step**2).sum().item() / (height * width)
        expected.append(total)
    torch.testing.assert_close(
        feature_distance(a, b, heads), torch.tensor(expected).double(), rtol=1e-5, atol=1e-6
    )


def test_positions_without_any_feature_are_equal():
    nothing = [torch.zeros(1, 3, 2, 2)]
    assert feature_distance(nothing, nothing, [torch.ones(3)]).item() == 0
