"""A folder for each identity."""

import pytest
import torch
from torchvision.datasets import ImageFolder

from deformgan.datasets import Folder, Market1501


@pytest.mark.parametrize(("rule", "classes"), [("same", 3), ("soft", 3), ("new", 6)])
def test_torchvision_reads_it_and_both_parts_number_people_alike(market, write, rule, classes):
    data = market()
    root = write("folders", data.parent / "out", data, rule) / "pytorch"
    train, val = ImageFolder(root / "train_all"), ImageFolder(root / "val")
    assert len(train) == 15
    assert len(val) == classes
    assert train.class_to_idx == val.class_to_idx
    for path, who in train.samples:
        assert path.split("/")[-1].startswith(f"{train.classes[who]}_c")
    held = {path.split("/")[-1] for path, _ in val.samples}
    assert held <= {path.split("/")[-1] for path, _ in train.samples}


def test_photos_to_test_on_lie_in_folders_too(market, write):
    data = market()
    root = write("folders", data.parent / "out", data) / "pytorch"
    assert [p.name for p in sorted(root.glob("query/*/*"))] == [
        "1501_c1s1_001051_00.jpg",
        "1501_c2s1_001051_00.jpg",
    ]
    assert sorted(p.name for p in (root / "gallery").iterdir()) == ["-1", "0000", "1501"]


def test_our_reader_of_folders_finds_the_asked_joints(market, write, finished):
    data = market()
    out = write("folders", data.parent / "out", data)
    read = Folder(out / "pytorch" / "train_all")
    rows = {name.split("/")[-1]: row for row, name in enumerate(read.names)}
    photos = Market1501(data)
    for item in finished(photos, data):
        row = rows[item.photo.name]
        assert read.identities[row] == item.photo.identity
        seen = item.pose.visible
        assert read.poses.visible[[row]].equal(seen)
        torch.testing.assert_close(read.poses.joints[[row]][seen], item.pose.joints[seen])
