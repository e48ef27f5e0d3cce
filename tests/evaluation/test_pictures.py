"""Pictures of test pairs, and photos without their people."""

import pytest
import torch

from deformgan.checkpoint import load_generator
from deformgan.datasets import open_dataset
from deformgan.datasets.bundled_people import FOLDER
from deformgan.evaluation.pictures import empty_photos, generate_pictures
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float, to_image, to_photos
from deformgan.predict import PoseTransfer


@pytest.fixture
def generator(layered_weights):
    return load_generator(layered_weights)[0]


def test_people_are_in_front_of_their_photos_scene_if_asked(generator):
    photos = open_dataset(FOLDER)
    pairs = torch.tensor([[0, 1], [2, 0]])
    found = generate_pictures(generator, photos, pairs, in_source_scene=True)
    staging = PoseTransfer(generator, photos.size).staging
    for row, (source, target) in enumerate(pairs.tolist()):
        image, pose = photos.images[[source]], photos.poses[[source]]
        emptied = to_image(staging.empty(to_photos(image)[0], pose))
        view = View(to_float(image), pose)
        (wanted,) = paint(generator, view, photos.poses[[target]], background=emptied)
        assert (found[row].int() - wanted.int()).abs().max() <= 1
    painted = generate_pictures(generator, photos, pairs)
    assert (found.int() - painted.int()).abs().float().mean() > 1


def test_scenes_fit_the_target_as_people_do_and_photos_without_a_pose_stay(generator, people):
    random = torch.Generator().manual_seed(0)
    small = torch.randint(0, 256, (1, 3, 24, 12), generator=random, dtype=torch.uint8)
    image = small.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    nobody = people(1, (192, 96), hidden=1.0)
    (whole,) = empty_photos(generator, (128, 64), image, nobody, (192, 96))
    assert whole.equal(to_float(image)[0])
    (padded,) = empty_photos(generator, (128, 64), image, nobody, (192, 192))
    inside = padded[:, :, 48:144]  # not stretched
    assert (inside - whole).abs().max() < 0.05
