"""Scenes: photos without their people."""

from deformgan.checkpoint import load_generator
from deformgan.datasets.backgrounds import person_hole, widen
from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.market1501 import Market1501
from deformgan.pixels import to_float
from deformgan.reid.scenes import target_scenes


def test_far_from_the_person_a_scene_is_the_photo(layered_weights):
    photos = Market1501(FOLDER)
    rows = photos.usable.nonzero()[:3, 0].tolist()
    generator, _ = load_generator(layered_weights)
    scenes = target_scenes(generator, photos, rows)
    images = to_float(photos.images[rows])
    away = ~widen(person_hole(photos.poses[rows], photos.skeleton, photos.size), 12)
    same = (scenes == images).all(dim=1)
    assert away.any()
    assert same[away].all()
    necks = photos.poses[rows].joints[:, 1].round().long().tolist()
    assert not any(same[row, y, x] for row, (x, y) in enumerate(necks))
