"""The grid of telling pairs."""

import numpy as np
import pytest
from PIL import Image

from deformgan.errors import InputError
from deformgan.evaluation.comparison_grid import choose_pairs, draw_grid


def test_best_median_and_worst_are_found_by_the_metrics_direction(report):
    values = [0.5, 0.9, 0.1, 0.3, 0.7]
    systems = [report("a", {"ssim": values, "l1": values}), report("b", {"ssim": values})]
    for metric, order in (("ssim", [1, 0, 2]), ("l1", [2, 0, 1])):
        chosen = choose_pairs(systems, metric, each=1)
        assert {kind: keys[0][0] for kind, keys in chosen.items()} == dict(
            zip(("best", "median", "worst"), [f"s{row}.png" for row in order], strict=True)
        )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 9, 30])
def test_no_pair_is_shown_twice(report, count):
    values = np.random.default_rng(count).uniform(size=count).tolist()
    chosen = choose_pairs([report("a", {"ssim": values})], "ssim")
    keys = [key for listed in chosen.values() for key in listed]
    assert len(set(keys)) == len(keys) == min(count, 3 * max(1, min(3, count // 3)))


def test_only_pairs_that_all_systems_have_are_shown(report):
    a = report("a", {"ssim": [0.9, 0.5, None]})
    b = report("b", {"ssim": [0.1]}, pairs=[("s1.png", "t1.png")])
    assert choose_pairs([a, b], "ssim") == {"best": [("s1.png", "t1.png", 0)]}
    with pytest.raises(InputError, match="no numbers per pair for 'fid'; choose one of ssim"):
        choose_pairs([a, b], "fid")


def test_the_grid_shows_photos_and_pictures_in_their_places(report, tmp_path):
    height, width = 120, 60
    folders = {}
    for folder, colours in (("photos", (10, 80)), ("a", (150,)), ("b", ())):
        folders[folder] = tmp_path / folder
        folders[folder].mkdir()
        names = ("s0.png", "t0.png") if folder == "photos" else ("s0__t0.jpg",)
        for name, colour in zip(names, colours, strict=False):
            Image.new("RGB", (width, height), (colour,) * 3).save(folders[folder] / name)
    systems = [report("a", {"ssim": [0.5]}), report("b", {"ssim": [0.25]})]
    chosen = choose_pairs(systems, "ssim")
    generated = {label: folders[label] for label in "ab"}
    sheet = np.array(draw_grid(systems, chosen, folders["photos"], generated, "ssim"))
    row = sheet[sheet.shape[0] // 2, :, 0].astype(int)
    for colour in (10, 80, 150):
        assert (np.abs(row - colour) < 3).sum() == pytest.approx(2 * width, abs=4)
    places = [np.abs(row - colour).argmin() for colour in (10, 80, 150)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("name", "panels", "size"),
    [
        ("s0__t0.png", 1, (120, 60)),
        ("s0.png_t0.png.png", 3, (120, 60)),
        ("s0.png___t0.png_vis.png", 5, (120, 60)),
        ("s0_2_t0_vis.png", 1, (120, 60)),
        ("s0__t0.png", 1, (60, 30)),
        ("s1__t1.png", 1, (120, 60)),
    ],
)
def test_the_generated_one_of_pictures_side_by_side_is_shown_and_a_defect_left_blank(
    report, tmp_path, name, panels, size
):
    photos, folder = tmp_path / "photos", tmp_path / "a"
    photos.mkdir()
    folder.mkdir()
    for photo in ("s0.png", "t0.png"):
        Image.new("RGB", (60, 120), "gray").save(photos / photo)
    strip = Image.new("RGB", (size[1] * panels, size[0]), "navy")
    strip.paste("teal", (size[1] * (panels - 1), 0, size[1] * panels, size[0]))
    strip.save(folder / name)
    systems = [report("a", {"ssim": [0.5]})]
    chosen = choose_pairs(systems, "ssim")
    sheet = np.array(draw_grid(systems, chosen, photos, {"a": folder}, "ssim"))
    shown = name.startswith("s0") and size == (120, 60)
    assert (sheet == (0, 128, 128)).all(axis=2).sum() == (240 * 120 if shown else 0)
    assert not (sheet == (0, 0, 128)).all(axis=2).any()
