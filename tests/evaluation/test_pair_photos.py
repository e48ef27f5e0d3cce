"""Test pairs come from a folder, a pose file and a list; what one of them lacks is named."""

import pytest
import torch
from PIL import Image

from deformgan.errors import InputError
from deformgan.evaluation.pair_photos import PairPhotos, photos_in
from deformgan.photo_file import read_photo
from deformgan.pose_formats import read_annotations


def open_set(folder):
    return PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")


def test_photos_and_poses_are_those_that_the_list_names(pair_set):
    folder = pair_set(4)
    photos = open_set(folder)
    table = read_annotations(folder / "poses.csv")
    assert len(photos) == 4
    assert photos.sizes == [(128, 64)] * 4
    for row, (source, target) in enumerate(photos.pairs):
        wanted = torch.from_numpy(read_photo(folder / "images" / target)).permute(2, 0, 1)
        assert torch.equal(photos.targets([row])[0], wanted)
        assert torch.equal(photos.target_poses([row]).joints, table[target].joints)
        wanted = torch.from_numpy(read_photo(folder / "images" / source)).permute(2, 0, 1)
        assert torch.equal(photos.sources([row])[0], wanted)
        assert torch.equal(photos.source_poses([row]).joints, table[source].joints)
    assert torch.equal(photos.targets([2, 0]), photos.targets([0, 2]).flip(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "images" / "person.1.png").unlink(), r"images lacks person\.1\.png"),
        (lambda f: (f / "pairs.csv").write_text("from,to\n"), "lists no pair"),
        (lambda f: (f / "pairs.csv").write_text("from,to\na.png,b.png\n"), r"no pose for a\.png"),
        (lambda f: (f / "poses.csv").unlink(), "cannot be read"),
        (lambda f: (f / "images").rename(f / "photos"), "does not exist"),
    ],
)
def test_what_is_missing_is_named_before_any_work(pair_set, change, message):
    folder = pair_set(3)
    change(folder)
    with pytest.raises(InputError, match=message):
        open_set(folder)


def test_many_missing_photos_are_counted(pair_set):
    folder = pair_set(6)
    for photo in (folder / "images").iterdir():
        photo.unlink()
    with pytest.raises(InputError, match=r"person\.0\.png, .* and 3 more"):
        open_set(folder)


def test_photos_of_two_sizes_are_not_one_batch(pair_set):
    folder = pair_set(3)
    Image.new("RGB", (32, 64)).save(folder / "images" / "person.2.png")
    photos = open_set(folder)
    assert photos.sizes[1] == (64, 32)
    with pytest.raises(InputError, match="64x32"):
        photos.targets([0, 1])


def test_the_sum_of_the_poses_changes_with_them(pair_set):
    folder = pair_set(3)
    before = open_set(folder).poses_sum()
    assert open_set(folder).poses_sum() == before
    text = (folder / "poses.csv").read_text().splitlines()
    (folder / "poses.csv").write_text("\n".join([text[0], *text[2:], text[1]]))
    assert open_set(folder).poses_sum() == before  # the order of the table says nothing
    (folder / "poses.csv").write_text(
        "\n".join(text).replace("[", "[-1, ", 1).replace(", 1", "", 1)
    )
    assert open_set(folder).poses_sum() != before


def test_photos_of_a_folder_are_found_below_it_too(pair_set, tmp_path):
    folder = pair_set(3)
    assert [path.name for path in photos_in(folder)] == [f"person.{row}.png" for row in range(3)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no photo"):
        photos_in(tmp_path / "empty")
