"""A small data set without fault, to be broken."""

import json
from pathlib import Path

import pytest
from PIL import Image

from deformgan.datasets.bundled_people import bundled_people
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, write_annotation_csv

PEOPLE, PHOTOS = 6, 3


@pytest.fixture
def market(tmp_path) -> Path:
    """The bundled people in Market-1501's layout: table, identity split, pair table."""
    root = tmp_path / "set"
    (root / "bounding_box_train").mkdir(parents=True)
    names, poses = [], []
    for person, photos in enumerate(bundled_people()[:PEOPLE], start=1):
        for camera, photo in enumerate(photos[:PHOTOS], start=1):
            names.append(f"{person:04d}_c{camera}s1_000{person}51_00.jpg")
            poses.append(photo.pose)
            Image.fromarray(photo.photo).save(root / "bounding_box_train" / names[-1], quality=90)
    write_annotation_csv(root / "annotation.csv", Annotations(names, Pose.cat(poses)))
    split = {"train": ["0001", "0002", "0003", "0004"], "test": ["0005", "0006"]}
    (root / "identity-split.json").write_text(json.dumps(split, indent=1))
    pairs = [f"{a},{b}" for a in names for b in names if a != b and a[:4] == b[:4]]
    (root / "pairs.csv").write_text("\n".join(["from,to", *pairs]) + "\n")
    return root
