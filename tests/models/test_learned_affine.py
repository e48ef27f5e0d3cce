"""Transforms read off two poses: where they start, what they are told, how they learn."""

from math import floor

import pytest
import torch
import torch.nn.functional as F

from deformgan.affine import normalize
from deformgan.models.learned_affine import AffineRefinement, LearnedAffine, warp_whole
from deformgan.pose import Pose

SIZE = (48, 24)
IDENTITY = torch.eye(2, 3)[None, None]


def awake(network):
    """A network whose last layer has learned something."""
    torch.manual_seed(7)
    torch.nn.init.normal_(network.layers[-1].weight, std=0.05)
    return network


def both(kind):
    return kind(18) if kind is LearnedAffine else kind(18, 10)


def poses(people, batch=3, hidden=0.2):
    return people(batch, SIZE, hidden=hidden), people(batch, SIZE, seed=1, hidden=hidden)


def by_hand(layers, told):
    """The network's answer to one list of numbers, product by product."""
    numbers = list(told)
    for place, layer in enumerate(layer for layer in layers if hasattr(layer, "weight")):
        if place:
            numbers = [x if x > 0 else 0.2 * x for x in numbers]
        numbers = [
            sum(w * x for w, x in zip(row, numbers, strict=True)) + bias
            for row, bias in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]
    return torch.tensor(numbers)


def test_the_learned_transform_starts_exactly_at_the_identity_whatever_the_poses(people):
    network = LearnedAffine(18)
    for hidden in (0.0, 0.3, 1.0):
        found = network(*poses(people, hidden=hidden), SIZE)
        assert torch.equal(found, IDENTITY.expand(3, 1, 2, 3))


def test_the_refinement_starts_exactly_at_no_correction_whatever_the_poses(people):
    network = AffineRefinement(18, 10)
    for hidden in (0.0, 0.3, 1.0):
        found = network(*poses(people, hidden=hidden), SIZE)
        assert torch.equal(found, torch.zeros(3, 10, 2, 3))


def test_the_layers_have_as_many_parameters_as_one_of_the_authors():
    # A fourth of what 61,136,885 is above 61,109,085: theirs are counted at each of four levels.
    counts = [parameter.numel() for parameter in LearnedAffine(18).parameters()]
    assert counts == [72 * 64, 64, 64 * 32, 32, 32 * 6, 6]
    assert 4 * sum(counts) == 61_136_885 - 61_109_085 == 82_108_411 - 82_080_611


def test_it_is_told_source_then_target_y_before_x_and_that_a_joint_is_missing(people):
    network = awake(LearnedAffine(18))
    source, target = poses(people)
    found = network(source, target, SIZE)
    height, width = SIZE
    for item in range(3):
        told = []
        for pose in (source, target):
            for (x, y), seen in zip(pose.joints[item].tolist(), pose.visible[item], strict=True):
                inside = [(y + 0.5) / height * 2 - 1, (x + 0.5) / width * 2 - 1]
                told += inside if seen else [-3, -3]
        assert len(told) == 72
        torch.testing.assert_close(found[item].flatten(), by_hand(network.layers, told))


def test_the_refinement_in_pixels_is_what_its_network_says_in_the_normalized_frame(people):
    network = awake(AffineRefinement(18, 10))
    source, target = poses(people)
    correction = network(source, target, SIZE)
    height, width = SIZE
    moves = torch.randn(3, 10, 2, 3)
    found = normalize(moves + correction, SIZE) - normalize(moves, SIZE)
    for item in range(3):
        told = []
        for pose in (source, target):
            for (x, y), seen in zip(pose.joints[item].tolist(), pose.visible[item], strict=True):
                inside = [(x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1]
                told += inside if seen else [0, 0]
            told += pose.visible[item].tolist()
        wanted = by_hand(network.layers, told).view(10, 2, 3)
        torch.testing.assert_close(found[item], wanted, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [LearnedAffine, AffineRefinement])
def test_where_a_missing_joint_is_said_to_be_does_not_matter_but_that_it_is_missing_does(
    kind, people
):
    network = awake(both(kind))
    source, target = poses(people)
    moved = Pose(source.joints.where(source.visible[..., None], 777.0), source.visible)
    found = network(source, target, SIZE)
    assert torch.equal(network(moved, target, SIZE), found)
    # In the middle of the image, where the coordinates of a missing joint look like those of one.
    middle = torch.tensor([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    placed = source.joints.where(source.visible[..., None], middle)
    shown = Pose(placed, torch.ones_like(source.visible))
    assert (network(shown, target, SIZE) - found).abs().flatten(1).amax(dim=1).gt(1e-3).all()


@pytest.mark.parametrize("kind", [LearnedAffine, AffineRefinement])
def test_a_photo_of_twice_the_size_is_moved_alike(kind, people):
    network = awake(both(kind))
    small = poses(people)
    large = [Pose((pose.joints + 0.5) * 2 - 0.5, pose.visible) for pose in small]
    twice = (2 * SIZE[0], 2 * SIZE[1])
    found, again = network(*small, SIZE), network(*large, twice)
    if kind is AffineRefinement:  # in pixels
        found = normalize(found, SIZE) - normalize(torch.zeros_like(found), SIZE)
        again = normalize(again, twice) - normalize(torch.zeros_like(again), twice)
    torch.testing.assert_close(again, found, atol=2e-6, rtol=1e-4)


def slow_warp(features, theta):
    """Bilinear reading at every pixel's place in the source, kept within the outermost centres."""
    height, width = features.shape[-2:]
    warped = torch.zeros_like(features)
    for item, transform in enumerate(theta[:, 0].tolist()):
        for row in range(height):
            for column in range(width):
                x, y = (column + 0.5) / width * 2 - 1, (row + 0.5) / height * 2 - 1
                u, v = (a * x + b * y + c for a, b, c in transform)
                u = min(max((u + 1) / 2 * width - 0.5, 0), width - 1)
                v = min(max((v + 1) / 2 * height - 0.5, 0), height - 1)
                left, top = min(floor(u), width - 2), min(floor(v), height - 2)
                for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                    weight = (1 - abs(v - top - i)) * (1 - abs(u - left - j))
                    warped[item, :, row, column] += weight * features[item, :, top + i, left + j]
    return warped


@pytest.mark.parametrize("size", [(7, 4), (4, 9)])
@pytest.mark.parametrize("change", [0.05, 0.5, 3.0])
def test_warping_matches_bilinear_reading_with_clamped_borders_in_slow_loops(size, change):
    features = torch.randn(3, 2, *size, dtype=torch.float64)
    theta = IDENTITY.double() + change * torch.randn(3, 1, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(warp_whole(features, theta), slow_warp(features, theta))


def test_the_identity_changes_nothing_and_a_shift_repeats_the_border():
    features = torch.randn(2, 3, 6, 8)
    still = warp_whole(features, IDENTITY.expand(2, 1, 2, 3))
    torch.testing.assert_close(still, features, atol=1e-5, rtol=0)
    # The source is read two pixels to the right and one up of every target pixel.
    shift = IDENTITY + torch.tensor([[0, 0, 2 * 2 / 8], [0, 0, -1 * 2 / 6]])
    wanted = F.pad(features, (0, 2, 1, 0), mode="replicate")[..., :6, 2:]
    moved = warp_whole(features, shift.expand(2, 1, 2, 3))
    torch.testing.assert_close(moved, wanted, atol=1e-5, rtol=0)


def test_features_and_transform_get_the_gradient_of_the_warp():
    features = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    theta = IDENTITY.double() + 0.3 * torch.randn(2, 1, 2, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(warp_whole, (features, theta.requires_grad_()))


@pytest.mark.parametrize("kind", [LearnedAffine, AffineRefinement])
def test_the_gradient_reaches_every_weight_through_the_sampling_grid(kind, people):
    network = awake(both(kind)).double()
    source, target = (pose.to(torch.float64) for pose in poses(people))
    features = torch.randn(3, 2, *SIZE, dtype=torch.float64)
    wanted = torch.randn_like(features)

    def loss():
        theta = network(source, target, SIZE)[:, :1]
        if kind is AffineRefinement:
            theta = normalize(theta + 1.1 * IDENTITY, SIZE)
        return (warp_whole(features, theta) - wanted).square().mean()

    loss().backward()
    step = 1e-6
    for name, parameter in network.named_parameters():
        place = int(parameter.grad.abs().argmax())
        entry = parameter.data.view(-1)[place : place + 1]
        with torch.no_grad():
            entry += step
            above = loss()
            entry -= 2 * step
            below = loss()
            entry += step
        gradient = parameter.grad.view(-1)[place]
        assert gradient != 0, name
        torch.testing.assert_close((above - below) / (2 * step), gradient, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("kind", [LearnedAffine, AffineRefinement])
def test_a_bfloat16_run_computes_transforms_with_full_precision(kind, people):
    network = awake(both(kind))
    wanted = network(*poses(people), SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(*poses(people), SIZE), wanted)


def test_bfloat16_features_are_read_at_the_places_of_float32_ones():
    features = torch.randn(2, 3, 16, 16).bfloat16()
    theta = IDENTITY + 0.1 * torch.randn(2, 1, 2, 3)
    warped = warp_whole(features, theta)
    assert torch.equal(warped, warp_whole(features.float(), theta).bfloat16())


def test_it_learns_from_poses_where_an_image_has_moved(people):
    base = people(1, SIZE).joints
    random = torch.Generator().manual_seed(5)
    everyone = torch.ones(4, 18, dtype=torch.bool)
    field = F.interpolate(torch.rand(1, 1, 6, 3, generator=random), SIZE, mode="bicubic")
    network = LearnedAffine(18)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)

    def error():
        shift = (torch.rand(4, 1, 2, generator=random) - 0.5) * torch.tensor([8.0, 16.0])
        source = Pose(base.expand(4, -1, -1), everyone)
        target = Pose(base + shift, everyone)
        theta = IDENTITY.repeat(4, 1, 1, 1)
        theta[..., 2] -= shift * 2 / torch.tensor([SIZE[1], SIZE[0]])
        features = field.expand(4, -1, -1, -1)
        found = warp_whole(features, network(source, target, SIZE))
        return (found - warp_whole(features, theta)).abs().mean()

    with torch.no_grad():
        before = sum(error() for _ in range(10))
    for _ in range(200):
        optimizer.zero_grad()
        error().backward()
        optimizer.step()
    with torch.no_grad():
        assert sum(error() for _ in range(10)) < 0.3 * before
