"""The deformable skip against its definition with one copy per part, forward and backward."""

import gc
import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from deformgan import deformable_skip
from deformgan.affine import normalize, part_transforms
from deformgan.deformable_skip import overlay_parts, warp_parts
from deformgan.parts import part_masks
from deformgan.skeletons.openpose18 import OPENPOSE18

MODES = ["bilinear", "nearest"]
AGGREGATIONS = ["max", "average"]


def definition(features, source_from_target, masks, interpolation="bilinear", aggregation="max"):
    """One copy of the features per part, warped, masked, and put together."""
    batch, parts = masks.shape[:2]
    repeated = features.repeat_interleave(parts, dim=0)  # (B*P, C, H, W)
    theta = source_from_target.flatten(0, 1)  # (B*P, 2, 3)
    grid = F.affine_grid(theta, list(repeated.shape), align_corners=False)
    warped = F.grid_sample(repeated, grid, mode=interpolation, align_corners=False)
    masked = warped.unflatten(0, (batch, parts)) * masks[:, :, None]
    if aggregation == "max":
        return masked.amax(dim=1)
    weight = masks[:, :, None].to(features.dtype).sum(dim=1)
    return masked.sum(dim=1) / torch.where(weight > 0, weight, 1)


def random_transforms(batch=2, parts=10, dtype=torch.float32):
    turn = torch.randn(batch, parts, 2, 2, dtype=dtype) * 0.4 + torch.eye(2, dtype=dtype)
    return torch.cat([turn, torch.randn(batch, parts, 2, 1, dtype=dtype) * 0.4], dim=-1)


def random_masks(share=0.15, batch=2, parts=10, size=(12, 7)):
    return torch.rand(batch, parts, *size) < share


def moves(*pixels, size):
    """Transforms that read a whole number of pixels further on: exact for sizes of powers of 2."""
    shifts = torch.tensor(pixels, dtype=torch.float64)[None]
    linear = torch.eye(2, dtype=torch.float64).expand(1, len(pixels), 2, 2)
    return normalize(torch.cat([linear, shifts[..., None]], dim=-1), size)


def both_ways(function, features, transforms, masks, *options):
    """Return the result and the gradients that a fixed upstream gradient leads to."""
    features = features.clone().requires_grad_()
    transforms = transforms.clone().requires_grad_()
    result = function(features, transforms, masks, *options)
    upstream = torch.rand(result.shape, generator=torch.Generator().manual_seed(7)) - 0.3
    result.backward(upstream.to(result.dtype))
    gradient = transforms.grad
    return result.detach(), features.grad, torch.zeros(()) if gradient is None else gradient


@pytest.mark.parametrize("share", [0.0, 0.02, 0.15, 0.6, 1.0])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("interpolation", MODES)
def test_equals_the_definition_forward_and_backward(interpolation, aggregation, share):
    features = torch.randn(2, 3, 12, 7, dtype=torch.float64)
    transforms = random_transforms(dtype=torch.float64)
    masks = random_masks(share)
    ours = both_ways(warp_parts, features, transforms, masks, interpolation, aggregation)
    wanted = both_ways(definition, features, transforms, masks, interpolation, aggregation)
    torch.testing.assert_close(ours[0], wanted[0])
    torch.testing.assert_close(ours[1], wanted[1])
    if interpolation == "bilinear":
        torch.testing.assert_close(ours[2], wanted[2])


@pytest.mark.parametrize("interpolation", MODES)
def test_equal_maxima_share_their_gradient_as_in_the_definition(interpolation):
    # Few whole numbers, moved by whole pixels: most maxima are shared, many of them with the
    # zeros of masked-out parts and of what lies outside.
    size = (16, 8)
    features = torch.randint(-2, 3, (1, 5, *size)).double()
    transforms = moves((0, 0), (1, 0), (0, 2), (-3, 1), (0, 0), (40, 0), size=size)
    for share in (0.1, 0.5, 1.0):
        masks = random_masks(share, 1, 6, size)
        ours = both_ways(warp_parts, features, transforms, masks, interpolation)
        wanted = both_ways(definition, features, transforms, masks, interpolation)
        assert torch.equal(ours[0], wanted[0])
        torch.testing.assert_close(ours[1], wanted[1])
        if interpolation == "bilinear":
            torch.testing.assert_close(ours[2], wanted[2])


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_soft_masks_equal_the_definition(aggregation):
    features = torch.randn(2, 3, 12, 7, dtype=torch.float64)
    transforms = random_transforms(dtype=torch.float64)
    masks = (torch.rand(2, 10, 12, 7, dtype=torch.float64) - 0.6).clamp(min=0)
    ours = both_ways(warp_parts, features, transforms, masks, "bilinear", aggregation)
    wanted = both_ways(definition, features, transforms, masks, "bilinear", aggregation)
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_gradients_are_those_of_finite_differences(aggregation):
    # Random transforms keep every reading away from pixel borders, where bilinear has kinks.
    features = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    transforms = random_transforms(2, 3, torch.float64).requires_grad_()
    masks = random_masks(0.5, 2, 3, (5, 4))
    assert torch.autograd.gradcheck(
        lambda x, theta: warp_parts(x, theta, masks, "bilinear", aggregation),
        (features, transforms),
    )
    transforms = transforms.detach()
    assert torch.autograd.gradcheck(
        lambda x: warp_parts(x, transforms, masks, "nearest", aggregation), (features,)
    )


@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_where_nothing_is_found_in_any_image_the_skip_is_zero(interpolation, aggregation):
    features = torch.randn(2, 3, 12, 7)
    masks = torch.zeros(2, 10, 12, 7, dtype=torch.bool)
    result, gradient, _ = both_ways(
        warp_parts, features, random_transforms(), masks, interpolation, aggregation
    )
    assert torch.equal(result, torch.zeros_like(features))
    assert torch.equal(gradient, torch.zeros_like(features))


def test_one_image_without_any_part_is_zero_and_leaves_the_others_alone():
    features, transforms, masks = torch.randn(3, 3, 12, 7), random_transforms(3), random_masks(0.3)
    masks = torch.cat([masks[:1], torch.zeros_like(masks[:1]), masks[1:]])
    result = warp_parts(features, transforms, masks)
    assert not result[1].any()
    torch.testing.assert_close(result, definition(features, transforms, masks))


def test_negative_responses_survive_only_where_every_part_covers_the_pixel():
    features = -1 - torch.rand(1, 2, 8, 8)
    masks = torch.ones(1, 3, 8, 8, dtype=torch.bool)
    masks[0, 1, :4] = False
    transforms = moves((0, 0), (0, 0), (0, 0), size=(8, 8)).float()
    result = warp_parts(features, transforms, masks)
    assert torch.equal(result[:, :, :4], torch.zeros(1, 2, 4, 8))
    torch.testing.assert_close(result[:, :, 4:], features[:, :, 4:])


@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_one_identity_under_a_full_mask_changes_nothing(interpolation, aggregation):
    features = torch.randn(2, 3, 12, 7)
    identity = torch.eye(2, 3).expand(2, 1, 2, 3)
    masks = torch.ones(2, 1, 12, 7, dtype=torch.bool)
    result = warp_parts(features, identity, masks, interpolation, aggregation)
    torch.testing.assert_close(result, features)


@pytest.mark.parametrize("interpolation", MODES)
def test_a_move_by_whole_pixels_moves_pixels_and_reads_zero_outside(interpolation):
    features = torch.randn(1, 3, 8, 16, dtype=torch.float64)
    transforms = moves((3, -2), size=(8, 16))
    result = warp_parts(features, transforms, torch.ones(1, 1, 8, 16).bool(), interpolation)
    assert torch.equal(result[:, :, 2:, :13], features[:, :, :6, 3:])
    assert not result[:, :, :2].any()
    assert not result[:, :, :, 13:].any()


@pytest.mark.parametrize(("shift", "reads"), [(0.5, [1, 2, 3, None]), (-0.5, [None, 1, 2, 3])])
def test_nearest_rounds_halves_away_from_zero_as_the_authors_sampler(shift, reads):
    features = torch.tensor([5.0, 6.0, 7.0, 8.0]).view(1, 1, 1, 4)
    transforms = moves((shift, 0), size=(1, 4))
    result = warp_parts(features, transforms, torch.ones(1, 1, 1, 4).bool(), "nearest")
    wanted = [0.0 if place is None else features[0, 0, 0, place].item() for place in reads]
    assert result.flatten().tolist() == wanted


@pytest.mark.parametrize("key", ["128x64", "64x32", "32x16", "16x8"])
def test_equals_the_authors_layer(golden, key):
    stored, key = np.load(golden / "warp.npz"), f"{key}_of_128x64"
    features = torch.from_numpy(stored[f"feat_x16_{key}"]).double().permute(0, 3, 1, 2) / 16
    height, width = features.shape[2:]

    def unpack(name):
        return torch.from_numpy(np.unpackbits(stored[f"{name}_packed_{key}"], axis=-1)).bool()

    masks = unpack("mask_level")[..., :width]
    certain = ~unpack("ambiguous")[..., :width]
    vectors = stored["affine_128x64"]
    found = torch.from_numpy((vectors != [1, 0, 1000, 0, 1, 1000, 0, 0]).any(axis=-1))
    pixels = torch.from_numpy(vectors[..., :6]).unflatten(-1, (2, 3))
    transforms = normalize(pixels, (128, 64), "strided", 128 // height)
    masks &= found[:, :, None, None]

    for name, scale, options in [
        ("max_x16", 16, ("nearest", "max")),
        ("avg", 1, ("nearest", "average")),
        ("bilinear_max", 1, ("bilinear", "max")),
    ]:
        ours = (warp_parts(features, transforms, masks, *options) * scale).permute(0, 2, 3, 1)
        theirs = torch.from_numpy(stored[f"{name}_{key}"]).double()
        where = certain if "nearest" in options else torch.ones_like(certain)
        torch.testing.assert_close(ours[where], theirs[where], atol=1e-5, rtol=0)


def test_an_item_of_a_batch_is_warped_as_if_alone():
    features, transforms, masks = torch.randn(4, 3, 12, 7), random_transforms(4), random_masks(0)
    masks = torch.rand(4, 10, 12, 7) < torch.tensor([0.0, 0.05, 0.3, 0.9])[:, None, None, None]
    together = both_ways(warp_parts, features, transforms, masks)
    for item in range(4):
        rows = slice(item, item + 1)
        alone = warp_parts(features[rows], transforms[rows], masks[rows])
        torch.testing.assert_close(alone, together[0][rows])


@pytest.mark.parametrize("interpolation", MODES)
def test_bfloat16_features_are_sampled_at_single_precision_coordinates(interpolation):
    features, transforms, masks = torch.randn(2, 3, 64, 32), random_transforms(), None
    masks = random_masks(0.2, size=(64, 32))
    rough = features.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        result = warp_parts(rough, transforms, masks, interpolation)
    assert result.dtype == torch.bfloat16
    wanted = warp_parts(rough.float(), transforms, masks, interpolation)
    torch.testing.assert_close(result.float(), wanted, atol=1e-2, rtol=1e-2)


def test_features_in_channels_last_order_give_the_same_in_that_order():
    features, transforms, masks = torch.randn(2, 3, 12, 7), random_transforms(), random_masks(0.3)
    ours = both_ways(warp_parts, features, transforms, masks)
    last = features.to(memory_format=torch.channels_last)
    theirs = both_ways(warp_parts, last, transforms, masks)
    assert theirs[0].is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_computing_entry_by_entry_gives_the_same(monkeypatch):
    given = torch.randn(2, 3, 12, 7), random_transforms(), random_masks(0.3)
    at_once = both_ways(warp_parts, *given)
    monkeypatch.setattr(deformable_skip, "_CPU_BLOCK", 1)
    for one, other in zip(both_ways(warp_parts, *given), at_once, strict=True):
        torch.testing.assert_close(one, other)


def peak_bytes(function):
    """Return the peak memory of a function, as recorded by the allocator."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        function()
    events = [
        event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    held = np.cumsum([event.nbytes() for event in sorted(events, key=lambda e: e.start_ns())])
    return int(held.max())


def kept_bytes(function, *inputs):
    """Return the bytes that autograd saves for the backward pass, without the inputs."""
    kept = {}
    mine = {tensor.untyped_storage().data_ptr() for tensor in inputs}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in mine:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        function(*inputs)
    return sum(kept.values())


def test_ten_parts_never_take_ten_copies_of_the_features(people):
    size, pose = (128, 64), people(1, size=(128, 64))
    moved, found = part_transforms(people(1, size, seed=1), pose, OPENPOSE18)
    assert found.all()
    transforms = normalize(moved, size)
    masks = part_masks(pose, OPENPOSE18, size)
    features = torch.randn(1, 64, *size)
    moving = features.clone().requires_grad_()
    copy = features.nbytes
    assert peak_bytes(lambda: torch.empty(copy, dtype=torch.uint8)) == copy  # the measure itself

    def there_and_back(function):
        return lambda: function(moving, transforms, masks).sum().backward()

    # The result is one of these copies, and on the way back the gradient is another.
    assert peak_bytes(lambda: warp_parts(features, transforms, masks)) < 4 * copy
    assert kept_bytes(warp_parts, moving, transforms, masks) < 3.2 * copy
    assert peak_bytes(there_and_back(warp_parts)) < 7.5 * copy
    assert peak_bytes(there_and_back(definition)) > 30 * copy


def overlaid(image, transforms, masks):
    """The definition: for every pixel the last part that covers it, read bilinearly."""
    batch, _, height, width = image.shape
    photo, known = torch.zeros_like(image), torch.zeros(batch, 1, height, width)
    for item in range(batch):
        for row in range(height):
            for column in range(width):
                parts = masks[item, :, row, column].nonzero()[:, 0].tolist()
                if not parts:
                    continue
                centre = torch.tensor([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1, 1])
                x, y = (transforms[item, parts[-1]] @ centre.to(image.dtype)).tolist()
                if abs(x) > 1 or abs(y) > 1:
                    continue
                known[item, 0, row, column] = 1
                x, y = ((x + 1) * width - 1) / 2, ((y + 1) * height - 1) / 2
                for v in (int(np.floor(y)), int(np.floor(y)) + 1):
                    for u in (int(np.floor(x)), int(np.floor(x)) + 1):
                        if 0 <= u < width and 0 <= v < height:
                            share = (1 - abs(x - u)) * (1 - abs(y - v))
                            photo[item, :, row, column] += share * image[item, :, v, u]
    return photo, known


def test_the_photo_is_overlaid_part_by_part_the_last_on_top():
    image, transforms = torch.rand(2, 3, 12, 7), random_transforms()
    for masks in (random_masks(0.2), random_masks(1.0), random_masks(0.0)):
        photo, known = overlay_parts(image, transforms, masks)
        wanted = overlaid(image, transforms, masks)
        torch.testing.assert_close(photo, wanted[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(known, wanted[1])


def test_the_photo_in_its_own_pose_is_the_photo(people):
    image, pose = torch.rand(2, 3, 128, 64) * 2 - 1, people(2)
    transforms, found = part_transforms(pose, pose, OPENPOSE18)
    masks = part_masks(pose, OPENPOSE18, (128, 64)) & found[:, :, None, None]
    photo, known = overlay_parts(image, normalize(transforms, (128, 64)), masks)
    # Outermost pixels may be read a rounding error outside the image.
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(photo[inner], image[inner], atol=1e-3, rtol=0)
    assert known[inner].all()


def test_words_that_are_none_of_the_allowed_are_refused():
    warp = inspect.unwrap(warp_parts)  # without the type checks that only tests have
    inputs = torch.randn(2, 3, 12, 7), random_transforms(), random_masks()
    with pytest.raises(ValueError, match="max or average, got 'sum'"):
        warp(*inputs, aggregation="sum")
    with pytest.raises(ValueError, match="bilinear or nearest, got 'cubic'"):
        warp(*inputs, interpolation="cubic")
