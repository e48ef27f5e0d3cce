"""Cost as a size grows, and the line it should follow."""

import torch
from PIL import Image

from deformgan.bench import growth, timing
from deformgan.bench.people import bundled_parts
from deformgan.deformable_skip import warp_parts


def test_divided_parts_cover_what_the_parts_cover():
    transforms, masks = bundled_parts(1, (64, 32), "cpu")
    more, pieces = growth._divide(transforms, masks, 40)
    assert pieces.shape[1] == more.shape[1] == 40
    assert torch.equal(pieces.unflatten(1, (10, 4)).any(dim=2), masks)
    assert pieces.sum() == masks.sum()
    features = torch.randn(1, 3, 64, 32).relu()
    torch.testing.assert_close(
        warp_parts(features, more, pieces), warp_parts(features, transforms, masks)
    )


def test_growth_is_compared_with_the_line_through_the_largest_size():
    times = {1: 2.0, 2: 2.0, 4: 4.0}
    line = growth.compare_growth(
        "x", "batch", (1, 2, 4), lambda size: timing.Spread.of([times[size]]), float
    )
    assert line.expected == [1.0, 2.0, 4.0]
    assert line.excess == 2.0


def test_growth_is_measured_along_four_axes(monkeypatch):
    sizes = {"BATCHES": (1, 2), "ROWS": (32, 64), "WINDOWS": (1, 3), "PARTS": (10, 20)}
    for name, values in sizes.items():
        monkeypatch.setattr(growth, name, values)
    monkeypatch.setattr(growth, "CHANNELS", 2)
    found = growth.measure_growth("cpu", 0.0, least=1)
    assert [one.axis for one in found] == ["batch", "rows", "rows", "window", "parts", "parts"]
    for one in found:
        assert all(taken.median > 0 for taken in one.seconds)
        assert one.expected[-1] == one.seconds[-1].median
        assert one.excess >= 1


def test_growth_is_drawn_with_one_plot_per_axis(tmp_path):
    spread = {"median": 0.01, "low": 0.009, "high": 0.012, "repetitions": 3}
    one = {"name": "skip", "sizes": [1, 2], "seconds": [spread] * 2, "expected": [0.005, 0.01]}
    growths = [one | {"axis": axis} for axis in ("batch", "parts", "parts")]
    files = growth.draw_growth(growths, tmp_path, "a machine")
    assert [file.name for file in files] == ["growth-batch.png", "growth-parts.png"]
    for file in files:
        assert min(Image.open(file).size) > 300
