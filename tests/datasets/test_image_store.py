"""Batches are the same wherever the images stay."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from deformgan.datasets.batches import PairBatches
from deformgan.datasets.image_store import DeviceStore, HostStore, open_store
from deformgan.pose import Pose

CPU = torch.device("cpu")


@dataclass
class Images:
    """A data set in memory, as `PairedImages` asks."""

    images: Tensor
    poses: Pose
    pairs: Tensor


def dataset(num_images, seed):
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (num_images, 3, 8, 6), generator=random, dtype=torch.uint8)
    joints = torch.rand(num_images, 18, 2, generator=random) * 6
    visible = torch.rand(num_images, 18, generator=random) < 0.8
    pairs = [(i, j) for i in range(num_images) for j in range(num_images) if i != j]
    return Images(images, Pose(joints, visible), torch.tensor(pairs))


def parts(pair):
    for view in (pair.source, pair.target):
        yield from (view.image, view.pose.joints, view.pose.visible)


def test_batches_are_equal_wherever_the_images_stay():
    sets = [dataset(6, 0), dataset(5, 1)]
    device, host = (
        PairBatches(sets, 6, proportions=[0.7, 0.3], seed=4, flip=True, storage=storage)
        for storage in ("device", "host")
    )
    # In order, again, backwards and with jumps: what was prepared for another step is not used.
    steps = [0, 1, 2, 3, 3, 2, 9, 10, 40, 0, 1]
    kept = []
    for step in steps:
        pair = host[step]
        kept.append((step, pair))
        assert all(torch.equal(a, b) for a, b in zip(parts(pair), parts(device[step]), strict=True))
    # Buffers are filled again, batches stay what they are.
    for step, pair in kept:
        assert all(torch.equal(a, b) for a, b in zip(parts(pair), parts(device[step]), strict=True))


def test_the_next_rows_are_collected_ahead():
    images = dataset(6, 0).images
    store = HostStore([images], CPU)
    store.prepare(7, [torch.tensor([4, 1])])
    # What was prepared for step 7 is what step 7 gets; no row is asked for again.
    assert torch.equal(store.gather(7, [torch.tensor([4, 1])]), images[[4, 1]])
    store.prepare(8, [torch.tensor([0])])
    assert torch.equal(store.gather(9, [torch.tensor([5, 2, 2])]), images[[5, 2, 2]])


def test_an_error_while_collecting_ahead_is_raised_where_the_rows_are_asked_for():
    store = HostStore([dataset(3, 0).images], CPU)
    store.prepare(0, [torch.tensor([3])])
    with pytest.raises(IndexError):
        store.gather(0, [torch.tensor([3])])
    assert len(store.gather(1, [torch.tensor([2])])) == 1


def test_on_a_cpu_images_stay_where_they_are():
    images = dataset(3, 0).images
    store = open_store([images], CPU)
    assert isinstance(store, DeviceStore)
    assert store.images[0].data_ptr() == images.data_ptr()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_are_those_of_the_cpu():
    expected = PairBatches(dataset(6, 0), 6, seed=1, flip=True)
    for storage in ("device", "host"):
        batches = PairBatches(dataset(6, 0), 6, seed=1, flip=True, device="cuda", storage=storage)
        pairs = [batches[step] for step in range(20)]
        for step, pair in enumerate(pairs):
            for found, wanted in zip(parts(pair), parts(expected[step]), strict=True):
                torch.testing.assert_close(found.cpu(), wanted)
