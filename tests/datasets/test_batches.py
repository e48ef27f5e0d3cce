"""Batches come from (seed, step) alone."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import Tensor

from deformgan.datasets.batches import (
    MixedBatches,
    PairBatches,
    batch_counts,
    batch_indices,
    flip_where,
)
from deformgan.datasets.correspondence import correspond
from deformgan.datasets.surfaces import NOTHING, SurfaceSet
from deformgan.errors import InputError
from deformgan.pair import Pair, View
from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18


@dataclass
class Images:
    """A data set in memory, as `PairedImages` asks."""

    images: Tensor
    poses: Pose
    pairs: Tensor


def dataset(num_images=6, first=0, size=(8, 4)):
    """Images that are told apart by their one value, with that value in their joints too."""
    values = torch.arange(first, first + num_images)
    images = values.to(torch.uint8)[:, None, None, None].expand(-1, 3, *size).contiguous()
    joints = values.float()[:, None, None].expand(-1, 18, 2).contiguous()
    pairs = [(i, j) for i in range(num_images) for j in range(num_images) if i != j]
    visible = torch.ones(num_images, 18, dtype=torch.bool)
    return Images(images, Pose(joints, visible), torch.tensor(pairs))


def values(view):
    """Which images are in the batch, by their pixels."""
    return ((view.image[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def same(one, other):
    return all(
        torch.equal(a, b)
        for x, y in [(one.source, other.source), (one.target, other.target)]
        for a, b in [
            (x.image, y.image),
            (x.pose.joints, y.pose.joints),
            (x.pose.visible, y.pose.visible),
        ]
    )


def test_an_epoch_has_every_pair_at_most_once_and_drops_the_rest():
    steps = [batch_indices(23, 5, seed=1, step=step) for step in range(4)]
    seen = torch.cat(steps).tolist()
    assert len(seen) == 20
    assert len(set(seen)) == 20
    assert set(seen) <= set(range(23))


def test_every_epoch_has_its_own_order():
    first = torch.cat([batch_indices(24, 6, seed=1, step=step) for step in range(4)])
    second = torch.cat([batch_indices(24, 6, seed=1, step=step) for step in range(4, 8)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(24))
    assert not torch.equal(first, second)


def test_seed_and_stream_change_the_order():
    orders = {
        tuple(batch_indices(100, 100, seed=seed, step=0, stream=stream).tolist())
        for seed in (0, 1)
        for stream in (0, 1)
    }
    assert len(orders) == 4


def test_over_many_epochs_every_pair_comes_equally_often():
    counts = torch.zeros(7)
    for step in range(3000):
        counts[batch_indices(7, 4, seed=0, step=step)] += 1
    # 12,000 draws over 7 pairs; four of seven without replacement each time.
    assert (counts - 12_000 / 7).abs().max() < 5 * (3000 * 4 / 7 * 3 / 7) ** 0.5


@pytest.mark.parametrize("batch_size", [0, 8])
def test_a_batch_of_more_than_all_pairs_is_refused(batch_size):
    with pytest.raises(ValueError, match=r"in 1\.\.7"):
        batch_indices(7, batch_size, seed=0, step=0)


def test_images_and_poses_of_a_pair_belong_together():
    batches = PairBatches(dataset(), 4)
    for step in range(20):
        pair = batches[step]
        assert values(pair.source) == pair.source.pose.joints[:, 0, 0].int().tolist()
        assert values(pair.target) == pair.target.pose.joints[:, 0, 0].int().tolist()
        assert all(a != b for a, b in zip(values(pair.source), values(pair.target), strict=True))


def test_images_are_float_in_the_full_range():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    image = to_float(levels)
    assert image.dtype == torch.float32
    expected = (np.arange(256) / 255 - 0.5) * 2
    np.testing.assert_allclose(image[0, 0].flatten().numpy(), expected, atol=1e-7)
    assert image.min() == -1
    assert image.max() == 1


def test_a_resumed_run_sees_the_batches_of_an_unbroken_one():
    data = [dataset(6), dataset(5, first=100)]

    def make():
        return PairBatches(data, 4, proportions=[0.75, 0.25], seed=3, flip=True)

    unbroken = make()
    batches = [unbroken[step] for step in range(40)]
    resumed = make()
    for step in (39, 17, 0, 23):
        assert same(resumed[step], batches[step])
    assert not same(batches[0], batches[1])
    assert not same(PairBatches(data, 4, proportions=[0.75, 0.25], seed=4)[0], make()[0])


def test_data_sets_are_mixed_in_their_proportions():
    data = [dataset(6), dataset(5, first=100)]
    batches = PairBatches(data, 8, proportions=[3.0, 1.0])
    sources = [value for step in range(10) for value in values(batches[step].source)]
    assert sum(value < 100 for value in sources) == 60
    # Within a pair the two never mix.
    for step in range(10):
        pair = batches[step]
        for a, b in zip(values(pair.source), values(pair.target), strict=True):
            assert (a < 100) == (b < 100)


def test_by_default_the_shares_follow_the_numbers_of_pairs():
    batches = PairBatches([dataset(6), dataset(3, first=100)], 6)  # 30 and 6 pairs
    assert batches.counts == [5, 1]


@pytest.mark.parametrize(
    ("batch_size", "proportions", "counts"),
    [
        (16, [0.75, 0.25], [12, 4]),
        (4, [0.9, 0.1], [3, 1]),
        (10, [1.0, 1.0, 1.0], [4, 3, 3]),
        (7, [5.0], [7]),
        (5, [0.01, 0.01, 0.98], [1, 1, 3]),
        (3, [0.01, 0.01, 0.98], [1, 1, 1]),
    ],
)
def test_a_batch_is_divided_by_largest_remainder(batch_size, proportions, counts):
    assert batch_counts(batch_size, proportions) == counts


@pytest.mark.parametrize(
    ("batch_size", "proportions"), [(4, [1.0, 0.0]), (4, [1.0, -1.0]), (1, [1.0, 1.0])]
)
def test_an_impossible_division_is_refused(batch_size, proportions):
    with pytest.raises(InputError, match="cannot be divided"):
        batch_counts(batch_size, proportions)


def test_data_sets_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="different sizes"):
        PairBatches([dataset(), dataset(size=(8, 8))], 4)
    with pytest.raises(InputError, match="6 pairs, fewer than 8"):
        PairBatches(dataset(3), 8)


def asymmetric(batch=5, size=(6, 10)):
    torch.manual_seed(0)
    joints = torch.rand(batch, 18, 2) * 9
    return View(torch.rand(batch, 3, *size) * 2 - 1, Pose(joints, torch.rand(batch, 18) < 0.7))


def test_a_flip_moves_the_pixel_under_a_joint_along_with_the_joint():
    view = asymmetric()
    left, right = OPENPOSE18.index("left_wrist"), OPENPOSE18.index("right_wrist")
    view.pose.joints[:, left] = torch.tensor([2.0, 3.0])
    flipped = flip_where(torch.ones(5, dtype=torch.bool), view, OPENPOSE18)
    x, y = flipped.pose.joints[0, right].int().tolist()
    assert torch.equal(flipped.image[:, :, y, x], view.image[:, :, 3, 2])
    assert torch.equal(flipped.pose.visible[:, right], view.pose.visible[:, left])


def test_a_flip_touches_only_the_chosen_and_undoes_itself():
    view = asymmetric()
    chosen = torch.tensor([True, False, True, False, False])
    once = flip_where(chosen, view, OPENPOSE18)
    twice = flip_where(chosen, once, OPENPOSE18)
    assert torch.equal(once.image[~chosen], view.image[~chosen])
    assert torch.equal(once.pose.joints[~chosen], view.pose.joints[~chosen])
    assert not torch.equal(once.image[chosen], view.image[chosen])
    assert torch.equal(twice.image, view.image)
    assert torch.equal(twice.pose.visible, view.pose.visible)
    torch.testing.assert_close(twice.pose.joints, view.pose.joints)


def test_both_views_of_a_pair_are_flipped_together_half_of_the_time():
    # The left column is marked, so a flip shows.
    data = dataset(4)
    data.images[:, :, :, 0] = 255
    plain, flipping = PairBatches(data, 4, seed=2), PairBatches(data, 4, seed=2, flip=True)
    flips = []
    for step in range(200):
        source, target = flipping[step].source, flipping[step].target
        source_flipped = source.image[:, 0, 0, -1] == 1
        assert torch.equal(source_flipped, target.image[:, 0, 0, -1] == 1)
        expected = plain[step].source.pose.flip(4, OPENPOSE18)
        assert torch.equal(source.pose.joints[source_flipped], expected.joints[source_flipped])
        flips.append(source_flipped.float().mean())
    share = float(torch.stack(flips).mean())
    assert abs(share - 0.5) < 5 * 0.5 / 800**0.5


def joined(pairs):
    """Join the parts of a batch."""
    return Pair(View.cat([p.source for p in pairs]), View.cat([p.target for p in pairs]))


@pytest.mark.parametrize("storage", ["device", "host"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("places", [2, 3])
@pytest.mark.parametrize(
    "proportions",
    [
        [1.0],
        [0.5, 0.5],
        [0.9, 0.1],  # of 6 one pair, so only the last place has any
        [0.1, 0.9],  # ... or only the first
        [0.6, 0.3, 0.1],
    ],
)
def test_the_parts_of_a_batch_together_are_the_whole_to_the_bit(proportions, places, flip, storage):
    data = [dataset(4 + number, first=80 * number) for number in range(len(proportions))]
    whole = PairBatches(data, 6, proportions=proportions, seed=3, flip=flip)
    parts = [
        PairBatches(
            data,
            6,
            proportions=proportions,
            seed=3,
            flip=flip,
            storage=storage,
            place=place,
            places=places,
        )
        for place in range(places)
    ]
    for step in range(8):
        wanted, found = whole[step], [part[step] for part in parts]
        assert [len(part.source.image) for part in found] == [6 // places] * places
        assert same(joined(found), wanted)
        assert whole.describe(step) == ", ".join(part.describe(step) for part in parts)


def test_a_place_may_have_no_pair_of_a_data_set():
    data = [dataset(4), dataset(4, first=100)]
    first = PairBatches(data, 6, proportions=[0.5, 0.5], place=0, places=2)
    second = PairBatches(data, 6, proportions=[0.5, 0.5], place=1, places=2)
    assert max(values(first[0].source)) < 100 <= min(values(second[0].source))


@pytest.mark.parametrize(("batch_size", "places"), [(4, 3), (6, 4), (1, 2)])
def test_a_batch_that_cannot_be_shared_equally_is_refused(batch_size, places):
    with pytest.raises(
        InputError, match=rf"batch of {batch_size} cannot be split equally among {places} processes"
    ):
        PairBatches(dataset(), batch_size, place=0, places=places)


def test_a_description_names_the_photos_of_the_batch_in_order():
    data = [dataset(5), dataset(5, first=100)]
    data[0].names = [f"p{number}.jpg" for number in range(5)]  # the second has no names
    batches = PairBatches(data, 4, proportions=[0.5, 0.5], seed=1, flip=True)
    for step in range(5):
        pair = batches[step]
        # Which photo it is, by its one value.
        wanted = [
            f"p{source}.jpg -> p{target}.jpg"
            if source < 100
            else f"{source - 100} -> {target - 100}"
            for source, target in zip(values(pair.source), values(pair.target), strict=True)
        ]
        assert batches.describe(step) == ", ".join(wanted)


def named(names="abcde", **given):
    data = dataset(5, **given)
    data.names = tuple(names)
    return data


def fingerprint(data, **given):
    return PairBatches(data, 4, **given).fingerprint()


def test_a_fingerprint_changes_with_names_poses_and_pairs():
    moved, hidden, fewer = named(), named(), named()
    moved.poses.joints[2, 3, 0] += 0.25
    hidden.poses.visible[4, 17] = False
    fewer.pairs = fewer.pairs[:-1]
    turned = named()
    turned.pairs = turned.pairs.flip(0)
    told = [
        fingerprint(data)
        for data in (named(), named("abcdf"), moved, hidden, fewer, turned, dataset(5))
    ]
    assert len({found[0]["sha256"] for found in told}) == len(told)
    assert [found[0]["pairs"] for found in told] == [20, 20, 20, 20, 19, 20, 20]


def test_a_fingerprint_is_of_the_data_sets_in_order_whoever_asks_and_wherever_they_are():
    data, other = named(), named("fghij", first=100)
    one, two = fingerprint(data), fingerprint(other)
    assert fingerprint([data, other], proportions=[0.5, 0.5]) == [*one, *two]
    assert fingerprint([other, data], proportions=[0.5, 0.5]) == [*two, *one]
    for given in (
        {"storage": "host"},
        {"place": 1, "places": 2},
        {"seed": 9, "flip": True},
    ):
        assert fingerprint(data, **given) == one
    # By hand: names in lines, pairs, joints, visibility, as they lie in memory.
    parts = [data.pairs, data.poses.joints, data.poses.visible]
    content = b"a\nb\nc\nd\ne" + b"".join(part.numpy().tobytes() for part in parts)
    assert one == [{"pairs": 20, "sha256": hashlib.sha256(content).hexdigest()}]


needs_scipy = pytest.mark.skipif(find_spec("scipy") is None, reason="needs the extra synth")


@dataclass
class RenderedImages(Images):
    """What rendered people have besides."""

    surfaces: SurfaceSet | None
    masks: Tensor | None
    backgrounds: Tensor | None


def rendered(num_images=4, size=(16, 12)):
    """Boards of one surface at different places of the picture, turned more or less."""
    data = dataset(num_images, size=size)
    height, width = size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places, layers = [], []
    for number in range(num_images):
        left = 1 + number
        on = (x >= left) & (x < width - 2) & (y >= 2) & (y < height - 1 - number)
        # The surface's own x grows with the picture's, at another rate in each.
        along = torch.stack([(x - left) * (0.02 + 0.003 * number), 0 * x, -0.03 * y])
        places.append(torch.where(on, along, 0).half())
        layers.append(torch.where(on, 2, NOTHING).to(torch.uint8))
    random = torch.Generator().manual_seed(3)
    masks, scenes = (
        torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
        for shape in ((num_images, *size), (num_images, 3, *size))
    )
    surfaces = SurfaceSet(torch.stack(places), torch.stack(layers))
    return RenderedImages(data.images, data.poses, data.pairs, surfaces, masks, scenes)


def truths(data, step, **given):
    return PairBatches(data, 4, seed=2, truth=True, **given)[step].truth


def kept(places):
    """Places as batches keep them: in sixteenths of a pixel."""
    return (places * 16).round() / 16


@needs_scipy
def test_the_truth_of_a_pair_is_of_its_own_pictures():
    data = rendered()
    batches = PairBatches(data, 4, seed=2, truth=True)
    for step in range(3):
        pair = batches[step]
        truth = pair.truth
        assert truth is not None
        assert truth.stride == 1
        for row, (source, target) in enumerate(
            zip(values(pair.source), values(pair.target), strict=True)
        ):
            match = correspond(data.surfaces[source], data.surfaces[target])
            for name in ("matched", "visible", "body"):
                assert torch.equal(getattr(truth, name)[row], getattr(match, name))
            assert torch.equal(truth.source_from_target[row], kept(match.source_from_target))
            assert match.visible.float().mean() > 0.1
            assert torch.equal(truth.matte[row, 0], data.masks[target].float() / 255)
            assert torch.equal(truth.source_matte[row, 0], data.masks[source].float() / 255)
            assert torch.equal(truth.scene[row], to_float(data.backgrounds[target][None])[0])


@needs_scipy
def test_the_truth_of_a_mirrored_pair_is_the_mirror_of_the_pairs_truth():
    data, turned = rendered(), 0
    for step in range(3):
        plain, flipping = truths(data, step), truths(data, step, flip=True)
        # The batch itself tells which pairs were mirrored.
        flipped = PairBatches(data, 4, seed=2, flip=True)._flipped(step)
        for row, mirrored in enumerate(flipped.tolist()):
            if not mirrored:
                for name in ("source_from_target", "matched", "visible", "scene", "matte"):
                    assert torch.equal(getattr(plain, name)[row], getattr(flipping, name)[row])
                continue
            turned += 1
            for name in ("matched", "visible", "body", "matte", "source_matte", "scene"):
                assert torch.equal(getattr(flipping, name)[row], getattr(plain, name)[row].flip(-1))
            matched = plain.matched[row].flip(-1)
            x, y = plain.source_from_target[row].flip(-1)
            found_x, found_y = flipping.source_from_target[row]
            torch.testing.assert_close(found_x[matched], 11 - x[matched])
            assert torch.equal(found_y[matched], y[matched])
            assert not found_x[~matched].any()
    assert 2 <= turned <= 10


@needs_scipy
def test_a_mirrored_joint_finds_its_mirrored_pixel():
    # What the truth says of the pixel under a joint of the target is where that joint is in the
    # source, mirrored or not: the surface's corner.
    data = rendered()
    for number in range(4):
        data.poses.joints[number] = torch.tensor([1.0 + number, 2.0])
    flips = 0
    batches = PairBatches(data, 4, seed=2, truth=True, flip=True)
    for step in range(4):
        pair = batches[step]
        assert pair.truth is not None
        flips += int(batches._flipped(step).sum())
        for row in range(4):
            x, y = pair.target.pose.joints[row, 0].long().tolist()
            found = pair.truth.source_from_target[row, :, y, x]
            assert pair.truth.visible[row, y, x]
            torch.testing.assert_close(found, pair.source.pose.joints[row, 0], atol=0.05, rtol=0)
    assert flips > 3


@needs_scipy
def test_truth_is_by_seed_and_step_alone_and_in_parts_the_whole():
    data = rendered()
    whole = [truths(data, step, flip=True) for step in range(3)]
    again = PairBatches(data, 4, seed=2, truth=True, flip=True)
    parts = [
        PairBatches(data, 4, seed=2, truth=True, flip=True, place=place, places=2)
        for place in (0, 1)
    ]
    for step in (2, 0, 1):
        for name in ("source_from_target", "visible", "matte", "scene"):
            wanted = getattr(whole[step], name)
            assert torch.equal(getattr(again[step].truth, name), wanted)
            joint = torch.cat([getattr(part[step].truth, name) for part in parts])
            assert torch.equal(joint, wanted)


@needs_scipy
def test_large_pictures_have_the_truth_of_every_second_pixel():
    data = rendered(2, size=(192, 96))
    pair = PairBatches(data, 2, truth=True)[0]
    truth = pair.truth
    assert truth is not None
    assert truth.stride == 2
    assert truth.matched.shape == (2, 96, 48)
    assert truth.matte.shape == (2, 1, 192, 96)
    source, target = values(pair.source)[0], values(pair.target)[0]
    match = correspond(data.surfaces[source], data.surfaces[target])
    assert torch.equal(truth.source_from_target[0], kept(match.source_from_target)[:, ::2, ::2])


@pytest.mark.parametrize("lacking", ["surfaces", "masks", "backgrounds"])
def test_truth_needs_all_that_a_renderer_knows_and_one_set(lacking):
    data = rendered()
    setattr(data, lacking, None)
    for given in (data, dataset(), [rendered(), rendered()]):
        with pytest.raises(InputError, match="a single data set of rendered people"):
            PairBatches(given, 4, truth=True)
    assert PairBatches(data, 4)[0].truth is None


def kinds():
    """Two kinds of batches: of other sizes, other numbers of pairs and other values."""
    return [
        PairBatches(dataset(6), 4, seed=3, flip=True),
        PairBatches(dataset(5, first=100, size=(16, 8)), 4, seed=3, flip=True),
    ]


@pytest.mark.parametrize(
    ("shares", "counts"), [([1.0, 1.0], [10, 10]), ([0.7, 0.3], [14, 6]), ([99.0, 1.0], [19, 1])]
)
def test_kinds_take_turns_in_their_shares_each_batch_of_one_size(shares, counts):
    mixed = MixedBatches(kinds(), shares)
    sizes = [tuple(mixed[step].source.image.shape[2:]) for step in range(60)]
    for turn in range(3):
        part = sizes[20 * turn : 20 * turn + 20]
        assert [part.count((8, 4)), part.count((16, 8))] == counts
    # Evenly: in no row of steps is a kind more than a step and a half ahead of its share.
    done = np.cumsum([size == (8, 4) for size in sizes])
    due = np.arange(1, 61) * counts[0] / 20
    assert np.abs(done - due).max() <= 1.5
    for step in range(60):
        pair = mixed[step]
        assert pair.source.image.shape == pair.target.image.shape
        large = sizes[step] == (16, 8)
        assert all((value >= 100) == large for value in values(pair.source) + values(pair.target))


def test_of_each_kind_the_batches_come_in_their_own_order_without_a_gap():
    mixed, apart = MixedBatches(kinds(), [0.7, 0.3]), kinds()
    own = [0, 0]
    for step in range(60):
        kind = int(mixed[step].source.image.shape[2] == 16)
        assert same(mixed[step], apart[kind][own[kind]])
        assert mixed.describe(step) == apart[kind].describe(own[kind])
        own[kind] += 1
    assert own == [42, 18]


def test_a_resumed_mixture_sees_the_batches_of_an_unbroken_one():
    unbroken = MixedBatches(kinds(), [0.7, 0.3])
    batches = [unbroken[step] for step in range(45)]
    for step in (44, 0, 23, 20, 7):
        assert same(MixedBatches(kinds(), [0.7, 0.3])[step], batches[step])


def test_the_fingerprint_of_a_mixture_is_its_kinds_and_their_shares():
    found = MixedBatches(kinds(), [0.7, 0.3]).fingerprint()
    one, two = (batches.fingerprint()[0] for batches in kinds())
    assert found == [{**one, "share": 14}, {**two, "share": 6}]
    assert MixedBatches(kinds(), [0.5, 0.5]).fingerprint() != found


def test_shares_of_nothing_are_refused():
    with pytest.raises(InputError, match="cannot be divided"):
        MixedBatches(kinds(), [1.0, 0.0])
