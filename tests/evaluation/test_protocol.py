"""Protocols: how pictures are brought to what is compared, and how they are compared."""

import csv
import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from deformgan.errors import InputError
from deformgan.evaluation.person_mask import person_mask
from deformgan.evaluation.protocol import PROTOCOLS, find_protocol, resize
from deformgan.evaluation.score import score
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotations


def noise(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def smooth(batch, height, width):
    """Pictures that JPEG can store: little grids, enlarged."""
    return resize(noise(batch, 3, height // 16, width // 16), (height, width))


def with_sides(images):
    """256x176 pictures between plain sides of 40 columns, as DeepFashion's."""
    return torch.nn.functional.pad(images, (40, 40), value=250)


def pose(x, y, batch=1):
    joints = torch.tensor([x, y], dtype=torch.float64).expand(batch, 18, 2).clone()
    return Pose(joints, torch.ones(batch, 18, dtype=torch.bool))


def to_pillow(image):
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def to_tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def jpeg(image, quality):
    stored = BytesIO()
    to_pillow(image).save(stored, format="JPEG", quality=quality)
    return to_tensor(Image.open(stored))


def golden_images(golden):
    arrays = np.load(golden / "ssim.npz")
    for size in ("128x64", "256x256"):
        generated, target = (
            torch.from_numpy(arrays[f"{side}_{size}"]).permute(0, 3, 1, 2)
            for side in ("generated", "target")
        )
        packed = np.unpackbits(arrays[f"mask_packed_{size}"], axis=-1)[..., : target.shape[3]]
        mask = torch.from_numpy(packed.astype(bool))
        yield generated, target, mask, {key: arrays[key] for key in arrays if key.endswith(size)}


@pytest.mark.parametrize(
    ("name", "key"), [("pose-gan-2018", "ssim{}_{}"), ("deformgan-1", "ssim{}_modern_{}")]
)
def test_the_golden_scores_come_out_of_the_protocols_that_made_them(golden, name, key):
    protocol = find_protocol(name)
    for generated, target, mask, arrays in golden_images(golden):
        asked = pose(30.0, 40.0, len(target))
        found, real, moved = protocol.prepare(generated, target, asked)
        assert torch.equal(found, generated)
        assert torch.equal(real, target)
        assert torch.equal(moved.joints, asked.joints)
        size = f"{target.shape[2]}x{target.shape[3]}"
        for masked in ("", "_masked"):
            measured = protocol.scores(found, real, mask)["mask_ssim" if masked else "ssim"]
            expected = torch.from_numpy(arrays[key.format(masked, size)])
            torch.testing.assert_close(measured, expected, rtol=0, atol=1e-12)
        if name == "pose-gan-2018":
            expected = torch.from_numpy(arrays[f"l1_{size}"])
            torch.testing.assert_close(protocol.scores(found, real, mask)["l1"], expected)


def test_the_default_is_what_score_measures():
    generated, target = noise(2, 3, 40, 32), noise(2, 3, 40, 32)
    asked = pose(16.0, 20.0, 2)
    protocol = PROTOCOLS["deformgan-1"]
    prepared = protocol.prepare(generated, target, asked)
    measured = protocol.scores(*prepared[:2], person_mask(prepared[2], (40, 32)))
    expected = score(generated, target, asked)
    assert measured.keys() == expected.keys()
    assert all(torch.equal(measured[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["gfla-2020", "nted-2022"])
def test_the_newer_ssim_is_scikit_images_with_a_uniform_window_of_51(name):
    protocol = PROTOCOLS[name]
    generated, target = noise(2, 3, 60, 70), noise(2, 3, 60, 70)
    expected = [
        structural_similarity(
            t.permute(1, 2, 0).numpy() / 255.0,
            g.permute(1, 2, 0).numpy() / 255.0,
            win_size=51,
            channel_axis=-1,
            data_range=1,
        )
        for g, t in zip(generated, target, strict=True)
    ]
    torch.testing.assert_close(
        protocol.ssim(generated, target),
        torch.tensor(expected, dtype=torch.float64),
        rtol=0,
        atol=1e-12,
    )


def test_patn_cuts_the_sides_stores_as_jpeg_and_pads_with_white():
    generated, target = (with_sides(smooth(2, 256, 176)) for _ in range(2))
    found, real, _ = PROTOCOLS["patn-2019"].prepare(generated, target, pose(128.0, 100.0, 2))
    for before, after in ((generated, found), (target, real)):
        assert (after[..., :40] == 255).all()
        assert (after[..., -40:] == 255).all()
        for image, expected in zip(after[..., 40:-40], before[..., 40:-40], strict=True):
            assert torch.equal(image, jpeg(expected, 75))


def test_the_jpeg_of_a_picture_alone_is_that_of_its_panel_in_a_strip():
    # PATN stores five pictures side by side, 11 blocks of 16 pixels each, which do not see their
    # neighbours; only the decoder smooths colours over the seam.
    panels = smooth(5, 256, 176)
    strip = jpeg(torch.cat(panels.unbind(), dim=2), 75)
    alone = jpeg(panels[4], 75)
    assert torch.equal(strip[:, :, -175:], alone[:, :, -175:])


def test_pictures_that_were_jpeg_already_are_not_stored_again():
    protocol = PROTOCOLS["gfla-2020"]
    generated, target = smooth(2, 256, 256), smooth(2, 256, 256)
    asked = pose(128.0, 128.0, 2)
    found, _, _ = protocol.prepare(generated, target, asked, torch.tensor([True, False]))
    assert torch.equal(found[0], generated[0])
    assert torch.equal(found[1], jpeg(generated[1], 75))


def test_gfla_takes_real_photos_as_they_come_and_nted_stores_nothing():
    squares = with_sides(smooth(2, 256, 176))
    assert torch.equal(PROTOCOLS["gfla-2020"].prepare_real(squares), squares)
    found, real, _ = PROTOCOLS["nted-2022"].prepare(squares, squares, pose(0.0, 0.0, 2))
    assert torch.equal(found, squares[..., 40:-40])
    assert torch.equal(real, squares[..., 40:-40])


@pytest.mark.parametrize("name", ["gfla-2020", "nted-2022"])
def test_photos_of_high_resolution_are_stretched_by_pillows_bicubic(name):
    protocol = PROTOCOLS[name]
    photo = smooth(1, 560, 384)
    assert protocol.size is not None
    height, width = protocol.size
    expected = to_tensor(to_pillow(photo[0]).resize((width, height), Image.Resampling.BICUBIC))
    assert torch.equal(protocol.prepare_real(photo)[0], expected)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_joints_stay_on_what_they_mark(name):
    # A white dot of 8x8 pixels in a black picture; its middle is the joint.
    protocol = replace(PROTOCOLS[name], jpeg=None)
    for height, width in ((256, 256), (256, 176), (512, 352), (128, 64)):
        photo = torch.zeros(1, 3, height, width, dtype=torch.uint8)
        photo[:, :, 52:60, 46:54] = 255
        asked = pose(49.5, 55.5)
        _, real, moved = protocol.prepare(photo, photo, asked)
        dot = real[0, 0].double()
        if protocol.pad and (height, width) != (128, 64):
            dot = dot[:, protocol.pad : -protocol.pad]
        rows, columns = (torch.arange(length, dtype=torch.float64) for length in dot.shape)
        shift = (real.shape[3] - dot.shape[1]) / 2
        middle = [(dot.sum(0) * columns).sum() / dot.sum() + shift, (dot.sum(1) * rows).sum()]
        middle[1] = middle[1] / dot.sum()
        torch.testing.assert_close(moved.joints[0, 0], torch.stack(middle), rtol=0, atol=0.02)
        assert torch.equal(moved.visible, asked.visible)


@pytest.mark.parametrize("name", ["patn-2019", "gfla-2020", "nted-2022"])
def test_market_pictures_are_not_cut_resized_or_padded(name):
    protocol = replace(PROTOCOLS[name], jpeg=None)
    generated, target, asked = noise(2, 3, 128, 64), noise(2, 3, 128, 64), pose(30.0, 50.0, 2)
    found, real, moved = protocol.prepare(generated, target, asked)
    assert torch.equal(found, generated)
    assert torch.equal(real, target)
    assert torch.equal(moved.joints, asked.joints)


def test_squares_that_are_no_deepfashion_squares_are_refused_where_sides_are_cut():
    crowded = noise(4, 3, 256, 256)
    with pytest.raises(InputError, match="nted-2022 crops 40 columns"):
        PROTOCOLS["nted-2022"].prepare(crowded, crowded, pose(1.0, 1.0, 4))
    mixed = torch.cat([with_sides(noise(3, 3, 256, 176)), crowded[:1]])
    PROTOCOLS["nted-2022"].prepare(mixed, mixed, pose(1.0, 1.0, 4))


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_resizing_is_pillows_or_without_antialias_opencvs(kernel):
    cv2 = pytest.importorskip("cv2")
    images = noise(2, 3, 60, 44)
    size = (20, 16)
    for image, small in zip(images, resize(images, size, kernel), strict=True):
        way = Image.Resampling[kernel.upper()]
        assert torch.equal(small, to_tensor(to_pillow(image).resize((16, 20), way)))
    if kernel == "nearest":
        return
    way = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[kernel]
    for image, small in zip(images, resize(images, size, kernel, antialias=False), strict=True):
        expected = cv2.resize(image.permute(1, 2, 0).numpy(), (16, 20), interpolation=way)
        difference = small.permute(1, 2, 0).int() - torch.from_numpy(expected).int()
        assert difference.abs().max() <= 1  # OpenCV computes in whole numbers


def test_a_range_of_255_makes_pale_pictures_better():
    pale = noise(2, 3, 30, 30) // 4 + 100
    target = noise(2, 3, 30, 30)
    own = PROTOCOLS["deformgan-1"]
    full = replace(own, ssim_range="255")
    assert (full.ssim(pale, target) > own.ssim(pale, target)).all()


def test_a_report_can_hold_all_that_defines_a_protocol():
    for name, protocol in PROTOCOLS.items():
        described = json.loads(json.dumps(protocol.describe()))
        assert described["name"] == name == protocol.name
        assert {"torch", "numpy", "pillow"} <= described["packages"].keys()
        rebuilt = {key: value for key, value in described.items() if key != "packages"}
        rebuilt["size"] = rebuilt["size"] and tuple(rebuilt["size"])
        assert type(protocol)(**rebuilt) == protocol


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="'patn'; choose one of deformgan-1, pose-gan-2018"):
        find_protocol("patn")


@pytest.mark.slow
def test_an_outside_judges_numbers_come_out_of_the_default(shared):
    folder = shared / "deepfashion-pairs"
    protocol = PROTOCOLS["deformgan-1"]
    annotations = read_annotations(folder / "annotation.csv")
    with open(folder / "pairs.csv", newline="") as file:
        pairs = [(row["from"], row["to"]) for row in csv.DictReader(file)]
    totals = {"ssim": 0.0, "mask_ssim": 0.0}
    for source, target in pairs:
        name = f"{source.removesuffix('.png')}__{target}"
        generated = to_tensor(Image.open(folder / "reference-output" / name))[None]
        photo = to_tensor(Image.open(folder / "img" / target).convert("RGB"))[None]
        found, real, asked = protocol.prepare(generated, photo, annotations[target])
        scores = protocol.scores(found, real, person_mask(asked, (256, 256)))
        totals = {key: total + scores[key].item() for key, total in totals.items()}
    assert totals["ssim"] / len(pairs) == pytest.approx(0.759, abs=1e-3)
    assert totals["mask_ssim"] / len(pairs) == pytest.approx(0.9505, abs=1e-3)
