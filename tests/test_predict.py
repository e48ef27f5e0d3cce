"""PoseTransfer and its framing."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.checkpoint import save_generator
from deformgan.errors import InputError
from deformgan.framing import find_framing
from deformgan.inputs import PosedPhoto, read_source
from deformgan.legs import complete_legs
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_image, to_photo
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.staging import MOST_ROWS

SIZE = (128, 64)
TINY = GeneratorConfig(
    encoder_widths=(4, 4, 4, 4, 4, 4),
    decoder_widths=(4, 4, 4, 4, 4),
    upsampling="resize",
    blend=True,
)


def posed(photo, pose):
    """Pair photos with their poses."""
    if isinstance(photo, np.ndarray):
        return [read_source(photo, pose)]
    poses = [pose[[row]] for row in range(len(pose))] if isinstance(pose, Pose) else pose
    return [read_source(*one) for one in zip(photo, poses, strict=True)]


def film(transfer, photo, pose, targets, size_of=None, noise_seed=None, **settings):
    target = PosedPhoto(targets, size_of)
    return transfer.generate(posed(photo, pose), target, noise_seed=noise_seed, **settings)


def run(*call, **settings):
    (picture,) = film(*call, **settings)
    return picture


def frame(transfer, photo, pose, target, size_of=None, size=None):
    (source,) = posed(photo, pose)
    return transfer.staging.frame(source, PosedPhoto(target, size_of), size)


def paste(transfer, photo, pose, target, into=None, target_size=None):
    size_of = target_size if into is None else into.shape[:2]
    return transfer.generate_into(posed(photo, pose), PosedPhoto(target, size_of, into))


@pytest.fixture
def transfer():
    torch.manual_seed(1)
    return PoseTransfer(Generator(TINY).eval(), SIZE)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def test_one_picture_equals_the_same_frame_of_an_animation(transfer, photo, people):
    poses = people(5)
    frames = list(film(transfer, photo, people(1), poses, SIZE, batch_size=2))
    for place, frame in enumerate(frames):
        alone = run(transfer, photo, people(1), poses[[place]], SIZE)
        assert alone.shape == (*SIZE, 3)
        # One grey level: batches may round differently.
        assert np.abs(alone.astype(int) - frame.astype(int)).max() <= 1


def test_the_same_call_gives_the_same_bytes(transfer, photo, people):
    first, second = (run(transfer, photo, people(1), people(1, seed=3), SIZE) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_noise_is_drawn_from_its_seed(transfer, photo, people):
    pictures = [run(transfer, photo, people(1), people(1), SIZE, noise_seed=s) for s in (1, 1, 2)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[0] != pictures[2]).any()


@pytest.mark.parametrize("whose", ["source", "target"])
def test_a_pose_without_torso_is_refused_and_the_joint_named(transfer, photo, people, whose):
    hip = OPENPOSE18.index("left_hip")
    good, visible = people(1), people(1).visible.clone()
    visible[:, hip] = False
    poor = Pose(good.joints, visible)
    poses = (poor, good) if whose == "source" else (good, poor)
    with pytest.raises(InputError, match=f"The {whose} pose lacks left_hip"):
        run(transfer, photo, *poses, SIZE)


def test_weights_without_a_size_are_refused(tmp_path):
    save_generator(tmp_path / "w.safetensors", Generator(TINY), {})
    with pytest.raises(InputError, match="lack the image size"):
        PoseTransfer.from_pretrained(tmp_path / "w.safetensors")


# With layers.


@pytest.fixture
def layered(layered_weights):
    return PoseTransfer.from_pretrained(layered_weights)


@pytest.fixture
def street(people):
    """A photo of noise in larger spots, and where its person is."""
    spots = np.random.default_rng(1).integers(0, 256, (30, 25, 3), dtype=np.uint8)
    photo = np.array(Image.fromarray(spots).resize((500, 600), Image.Resampling.BICUBIC))
    return photo, Pose(people(1).joints * 3 + torch.tensor([120.0, 90.0]), people(1).visible)


def test_with_layers_the_models_size_is_what_it_looks_at(layered):
    assert layered.layered
    assert layered.size == SIZE  # trained on 256x128


def test_a_photo_of_the_models_size_is_painted_whole_as_data_sets_are(layered, photo, people):
    poses = people(1), people(1, seed=3)
    picture = run(layered, photo, *poses, SIZE)
    assert picture.shape == (*SIZE, 3)
    with torch.inference_mode():
        direct = layered.generator(View(to_image(photo), poses[0]), poses[1])
    # One grey level: framing rounds the joints in their last bit.
    assert np.abs(picture.astype(int) - to_photo(direct[0])).max() <= 1
    view = View(to_image(photo), poses[0])
    whole = paint(layered.generator, view, poses[1])[0].permute(1, 2, 0).numpy()
    assert np.abs(picture.astype(int) - whole).max() <= 1


def test_the_size_is_the_one_asked_for(layered, street, people):
    for asked, given in (
        (160, (160, 80)),
        ((150, 99), (150, 99)),
        ((96, 192), (96, 192)),
        ((300, 100), (300, 100)),
    ):
        picture = run(layered, *street, people(1), SIZE, size=asked)
        assert picture.shape == (*given, 3)


def test_by_default_the_size_is_the_persons_own_in_the_photo(layered, street, people):
    photo, pose = street
    rows = find_framing(pose, (600, 500), SIZE, OPENPOSE18).shown[0]
    assert 350 < rows < 450
    assert run(layered, photo, pose, people(1), SIZE).shape == (round(rows), round(rows / 2), 3)
    # Never below the model's, nor above the most.
    small = Pose(people(1).joints / 2, people(1).visible)
    assert run(layered, photo[:80, :60], small, people(1), SIZE).shape == (128, 64, 3)
    large = np.zeros((1500, 700, 3), np.uint8)
    huge = Pose(people(1).joints * 11, people(1).visible)
    view, _ = frame(layered, large, huge, people(1), SIZE)
    assert view.image.shape[2:] == (MOST_ROWS, MOST_ROWS // 2)


def test_the_generator_is_shown_the_photos_own_pixels(layered, street, people):
    photo, pose = street
    view, _ = frame(layered, photo, pose, people(1), SIZE, size=512)
    rows, columns = view.image.shape[2:]
    assert 350 < rows < 450
    shown = to_photo(view.image[0]).reshape(-1, 3)
    # Some part of the photo, byte by byte.
    x, y = (pose.joints - view.pose.joints)[0, 0].round().int().tolist()
    np.testing.assert_array_equal(
        shown.reshape(rows, columns, 3), photo[y : y + rows, x : x + columns]
    )
    # ... but never more of them than the picture has rows.
    view, targets = frame(layered, photo, pose, people(1), SIZE, size=160)
    assert view.image.shape[2:] == (160, 80)
    torch.testing.assert_close(targets.joints, (people(1).joints + 0.5) * 1.25 - 0.5)


def test_a_cut_out_over_a_colour_is_the_picture_with_that_colour(layered, street, people):
    ways = {
        kind: run(layered, *street, people(1), SIZE, size=150, background=kind).astype(float)
        for kind in ("none", "#30a0ff", "#000000")
    }
    alpha = ways["none"][..., 3:] / 255
    assert 0 < alpha.mean() < 1
    for kind, colour in (("#30a0ff", (48, 160, 255)), ("#000000", (0, 0, 0))):
        over = alpha * ways["none"][..., :3] + (1 - alpha) * np.array(colour)
        # Alpha and colour are both rounded to a byte, and so is the picture.
        assert np.abs(over - ways[kind]).max() <= 1.51


def test_what_is_behind_the_person_can_be_chosen(layered, street, people):
    photo, pose = street
    call = [photo, pose, people(1), SIZE]
    by_default = run(layered, *call, size=150)
    np.testing.assert_array_equal(by_default, run(layered, *call, size=150, background="source"))
    assert (by_default != run(layered, *call, size=150, background="paint")).any()
    white = np.full((70, 90, 3), 255, np.uint8)
    np.testing.assert_array_equal(
        run(layered, *call, size=150, background=white),
        run(layered, *call, size=150, background="#ffffff"),
    )
    # Of a photo of the model's size the scene is painted.
    small = [photo[:128, :64], people(1), people(1, seed=2), SIZE]
    np.testing.assert_array_equal(run(layered, *small), run(layered, *small, background="paint"))


def test_a_scene_of_the_target_photos_size_is_framed_as_that_is(layered, street, people):
    photo, pose = street
    scene = np.zeros((600, 500, 3), np.uint8)
    scene[:, :250] = 255
    halves = run(layered, photo, pose, pose, (600, 500), size=128, background=scene)
    framing = find_framing(pose, (600, 500), SIZE, OPENPOSE18)
    expected = framing.frame_photo(scene)
    painted = run(layered, photo, pose, pose, (600, 500), size=128, background=expected)
    np.testing.assert_array_equal(halves, painted)


def cut_at_the_thighs(pose):
    """A pose in a photo that ends below the hips, and the photo's size."""
    low = ["right_knee", "left_knee", "right_ankle", "left_ankle"]
    visible = pose.visible.clone()
    visible[:, OPENPOSE18.indices(low)] = False
    hips = pose.joints[:, OPENPOSE18.indices(["right_hip", "left_hip"]), 1].max().item()
    return Pose(pose.joints, visible), (round(hips) + 40, 500)


@pytest.mark.parametrize("background", ["source", "paint", "none", "#102030"])
def test_a_picture_ends_where_the_photo_of_the_pose_cuts_the_person(
    layered, street, people, background, monkeypatch
):
    photo, pose = street
    target, size = cut_at_the_thighs(pose)
    framing = find_framing(target, size, SIZE, OPENPOSE18)
    kept = (size[0] - 0.5 - framing.top) / framing.shown[0]
    assert 0.5 < kept < 0.8
    picture = run(layered, photo, pose, target, size, background=background)
    for asked, shape in ((150, (150, round(round(150 / kept) / 2))), ((150, 90), (150, 90))):
        sized = run(layered, photo, pose, target, size, size=asked, background=background)
        assert sized.shape[:2] == shape
    # It is the upper part of the whole frame.
    whole = "deformgan.staging.rows_of_photo"
    monkeypatch.setattr(whole, lambda *arguments: (0.0, 1.0))
    uncut = run(layered, photo, pose, target, size, background=background)
    assert len(picture) == round(kept * len(uncut))
    np.testing.assert_array_equal(picture, uncut[: len(picture)])


def test_legs_below_the_edge_of_either_photo_are_generated(layered, street):
    # The generator sees them as in a photo that shows the whole person; nothing else changes.
    photo, pose = street
    target, size = cut_at_the_thighs(pose)
    staging, source = layered.staging, PosedPhoto(target, size, photo[: size[0]])
    shown = staging.show(source, PosedPhoto(target, size), 128)
    legs = OPENPOSE18.indices(["right_knee", "left_knee", "right_ankle", "left_ankle"])
    assert not target.visible[:, legs].any()
    assert shown.targets.visible[:, legs].all()
    assert shown.view.pose.visible[:, legs].all()
    assert (shown.targets.joints[0, legs[2:], 1] > shown.targets.joints[0, legs[:2], 1]).all()
    # The frame is the same, and what is seen stays where it is.
    framed = shown.target_framing.frame_pose(target)
    assert shown.targets.joints[target.visible].equal(framed.joints[target.visible])
    extended = shown.target_framing.frame_pose(complete_legs(target, OPENPOSE18, size))
    assert shown.targets.joints.equal(extended.joints)
    # Where there is no edge, there is no guess.
    assert not staging.show(source, PosedPhoto(target, None), 128).targets.visible[:, legs].any()


def test_legs_that_the_photo_of_the_pose_hides_are_guessed_unless_it_is_behind(layered, street):
    photo, pose = street
    visible = pose.visible.clone()
    leg = OPENPOSE18.indices(["right_knee", "right_ankle"])
    visible[:, leg] = False
    hidden = PosedPhoto(Pose(pose.joints, visible), (600, 500), photo)
    source = PosedPhoto(pose, (600, 500), photo)
    shown = {
        kept: layered.staging.show(source, hidden, 128, hidden=kept).targets
        for kept in (True, False)
    }
    assert shown[True].visible[:, leg].all()
    assert not shown[False].visible[:, leg].any()
    bare = PosedPhoto(hidden.pose, (600, 500))  # a given pose is meant as it is
    assert not layered.staging.show(source, bare, 128).targets.visible[:, leg].any()
    free, behind = (
        next(layered.generate([source], hidden, size=128, background=scene))
        for scene in (np.zeros((60, 70, 3), np.uint8), np.zeros_like(photo))
    )
    assert (free != behind).any()


def test_pictures_that_are_cut_differently_are_not_in_one_batch(layered, street, people):
    photo, pose = street
    cut = PosedPhoto(*cut_at_the_thighs(pose))
    targets = [cut, PosedPhoto(pose, (600, 500)), cut]
    pairs = [(posed(photo, pose), target) for target in targets]
    together = list(layered.generate_pairs(iter(pairs), size=140))
    assert [len(picture) for picture in together] == [140] * 3
    for (who, target), picture in zip(pairs, together, strict=True):
        (alone,) = layered.generate(who, target, size=140)
        assert picture.shape == alone.shape
        assert np.abs(picture.astype(int) - alone).max() <= 1


def test_frames_with_layers_are_the_pictures(layered, street, people):
    poses = people(3)
    frames = list(film(layered, *street, poses, SIZE, size=140, background="none", batch_size=2))
    assert [frame.shape for frame in frames] == [(140, 70, 4)] * 3


def test_pasted_into_the_source_photo_nothing_else_changes(layered, street, people):
    photo, pose = street
    before = photo.copy()
    pasted = paste(layered, photo, pose, people(1, seed=4), target_size=SIZE)
    np.testing.assert_array_equal(photo, before)
    assert pasted.shape == photo.shape
    changed = (pasted != photo).any(axis=2)
    rows, columns = changed.any(axis=1).nonzero()[0], changed.any(axis=0).nonzero()[0]
    # Both people are near each other: feet on the same row, bones of the same length.
    framing = find_framing(pose, photo.shape[:2], SIZE, OPENPOSE18)
    height, width = framing.shown
    assert rows[0] >= framing.top - 0.25 * height
    assert rows[-1] <= framing.top + 1.25 * height
    assert columns[0] >= framing.left - 0.3 * width
    assert columns[-1] <= framing.left + 1.3 * width
    assert changed.mean() > 0.1


def test_pasted_into_the_pose_photo_the_box_is_that_of_its_person(layered, street, photo, people):
    other, pose = street
    pasted = paste(layered, photo, people(1), pose, into=other)
    assert pasted.shape == other.shape
    framing = find_framing(pose, other.shape[:2], SIZE, OPENPOSE18)
    box = framing.widened(0.15).whole_pixels()  # the hat of the one who was there may stick out
    left, top = round(box.left + 0.5), round(box.top + 0.5)
    inside = (slice(top, top + box.size[0]), slice(left, left + box.size[1]))
    assert (pasted[inside] != other[inside]).any()
    pasted[inside] = other[inside]
    np.testing.assert_array_equal(pasted, other)


@pytest.mark.parametrize("size", [15, (5000, 2500), (100, 500), (500, 100)])
def test_sizes_that_make_no_sense_are_refused(layered, street, people, size):
    with pytest.raises(InputError, match="pictures have 16 to 4096 rows"):
        run(layered, *street, people(1), SIZE, size=size)


def test_without_layers_there_is_no_choice(transfer, photo, people):
    call = [photo, people(1), people(1, seed=3), SIZE]
    plain = run(transfer, *call)
    for same in ({"size": SIZE}, {"size": 128}, {"background": "paint"}):
        np.testing.assert_array_equal(run(transfer, *call, **same), plain)
    for size in (256, (256, 128), (128, 128)):
        with pytest.raises(InputError, match=r"paint pictures of 128x64 \(height x width\) only"):
            run(transfer, *call, size=size)
    for background in ("source", "none", "#102030"):
        with pytest.raises(InputError, match="generate the scene themselves"):
            run(transfer, *call, background=background)
    with pytest.raises(InputError, match="Pasting needs weights with layers"):
        paste(transfer, *call[:3])


# Several photos of one person.


def test_the_same_photo_twice_is_one_photo(layered, street, people):
    photo, pose = street
    for size in (150, (150, 99)):
        once = run(layered, photo, pose, people(1), SIZE, size=size)
        twice = run(layered, [photo, photo], [pose, pose], people(1), SIZE, size=size)
        assert np.abs(once.astype(int) - twice.astype(int)).max() <= 1  # sums round
    pasted = [paste(layered, photo, pose, people(1), target_size=SIZE)]
    pasted.append(paste(layered, [photo] * 2, Pose.cat([pose] * 2), people(1), target_size=SIZE))
    assert np.abs(pasted[0].astype(int) - pasted[1].astype(int)).max() <= 1


def test_several_photos_may_have_several_sizes(layered, street, photo, people):
    # By default the picture has the largest size, and the first photo's scene.
    poses = [people(1), street[1]]
    picture = run(layered, [photo, street[0]], poses, people(1), SIZE)
    assert picture.shape == run(layered, *street, people(1), SIZE).shape
    again = run(layered, [photo, street[0]], poses, people(1), SIZE, background="paint")
    np.testing.assert_array_equal(picture, again)
    frames = list(film(layered, [photo, street[0]], poses, people(3), SIZE, size=140))
    assert [frame.shape for frame in frames] == [(140, 70, 3)] * 3
    alone = run(layered, photo, people(1), people(3)[[2]], SIZE, size=140)
    assert (frames[2] != alone).any()


def test_several_photos_need_layers_and_a_pose_each(transfer, layered, photo, people):
    with pytest.raises(InputError, match="2 source photos are given"):
        run(transfer, [photo] * 2, [people(1)] * 2, people(1), SIZE)
    for poses in (people(1), people(3)):
        with pytest.raises(InputError, match="every photo needs one"):
            layered([photo] * 2, people(1), source_pose=poses)


# One source for many poses, and many people at once.


@pytest.fixture
def counted(monkeypatch):
    """The batch sizes that generators encoded."""
    counts, encode = [], Generator.encode

    def count(self, source, scene=True):
        counts.append(len(source.image))
        return encode(self, source, scene)

    monkeypatch.setattr(Generator, "encode", count)
    return counts


@pytest.mark.parametrize("which", ["transfer", "layered"])
def test_the_source_of_an_animation_is_encoded_once(request, which, photo, people, counted):
    transfer = request.getfixturevalue(which)
    frames = list(film(transfer, photo, people(1), people(7), SIZE, batch_size=3))
    assert len(frames) == 7
    assert counted == [1]


@pytest.mark.parametrize("which", ["transfer", "layered"])
def test_what_was_read_once_gives_the_same_bytes_and_is_encoded_once(
    request, which, photo, people, counted
):
    transfer = request.getfixturevalue(which)
    source = transfer.read(photo, source_pose=people(1))
    for seed in range(3):
        pose = PosedPhoto(people(1, seed=seed), SIZE)
        kept = np.asarray(transfer(source, pose))
        again = np.asarray(transfer(photo, pose, source_pose=people(1)))
        np.testing.assert_array_equal(kept, again)
    frames = [np.asarray(frame) for frame in transfer.animate(source, people(2), smooth=0.0)]
    others = transfer.animate(photo, people(2), source_pose=people(1), smooth=0.0)
    np.testing.assert_array_equal(frames, [np.asarray(frame) for frame in others])
    assert sum(counted) == 1 + 3 + 1


def test_a_kept_source_follows_the_size_and_the_generator(layered, street, people, layered_weights):
    photo, pose = street
    source = layered.read(photo, source_pose=pose)
    for size in (150, 400, 150, (150, 99)):
        kept = np.asarray(layered(source, people(1), size=size))
        np.testing.assert_array_equal(kept, run(layered, photo, pose, people(1), size=size))
    np.testing.assert_array_equal(
        np.asarray(layered.paste(source, people(1))), paste(layered, photo, pose, people(1))
    )
    other = PoseTransfer.from_pretrained(layered_weights)
    with torch.no_grad():
        other.generator.head.weight += 1
    changed = np.asarray(other(source, people(1), size=150))
    np.testing.assert_array_equal(changed, run(other, photo, pose, people(1), size=150))
    assert (changed != np.asarray(layered(source, people(1), size=150))).any()


def test_a_pose_of_a_photo_that_has_one_is_refused(transfer, photo, people):
    source = transfer.read(photo, source_pose=people(1))
    with pytest.raises(InputError, match="already has its pose"):
        transfer(source, people(1), source_pose=people(1))


def test_pairs_are_the_pictures_of_each_in_their_order(layered, street, photo, people):
    small = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    who = [
        posed(photo, people(1)),
        posed(small, people(1, seed=5)),
        posed(*street),
        posed([photo, small], people(2)),
        posed([small, photo], people(2)),
        posed(small, people(1)),
    ]
    targets = [PosedPhoto(people(1, seed=10 + row), SIZE) for row in range(len(who))]
    for settings in ({}, {"size": 100, "background": "none"}, {"background": "#102030"}):
        alone = [
            next(layered.generate(*pair, **settings)) for pair in zip(who, targets, strict=True)
        ]
        pairs = zip(who, targets, strict=True)
        together = list(layered.generate_pairs(pairs, batch_size=4, **settings))
        assert [picture.shape for picture in together] == [picture.shape for picture in alone]
        for picture, other in zip(together, alone, strict=True):
            assert np.abs(picture.astype(int) - other).max() <= 1  # batches round differently


def test_pairs_of_weights_without_layers_are_batches(transfer, photo, people, monkeypatch):
    batches, paint_layers = [], Generator.paint
    monkeypatch.setattr(
        Generator,
        "paint",
        lambda self, image, *rest: batches.append(len(image)) or paint_layers(self, image, *rest),
    )
    pairs = [
        (posed(photo, people(1, seed=row)), PosedPhoto(people(1, seed=9 - row), SIZE))
        for row in range(5)
    ]
    together = list(transfer.generate_pairs(iter(pairs), batch_size=3))
    assert batches == [3, 2]
    for picture, pair in zip(together, pairs, strict=True):
        assert np.abs(picture.astype(int) - next(transfer.generate(*pair))).max() <= 1


# Precision.


@pytest.mark.parametrize("units", [True, False])
def test_auto_is_bfloat16_where_the_device_has_units(layered_weights, monkeypatch, units):
    monkeypatch.setattr("deformgan.device.computes_bfloat16", lambda device: units)
    for precision, dtype in (
        ("auto", torch.bfloat16 if units else torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float32", torch.float32),
    ):
        transfer = PoseTransfer.from_pretrained(layered_weights, "cpu", precision=precision)
        assert transfer.generator.mix.weight.dtype == dtype
    default = PoseTransfer.from_pretrained(layered_weights, "cpu").generator
    assert default.mix.weight.dtype == torch.float32


def test_an_unknown_precision_is_refused(layered_weights):
    with pytest.raises(InputError, match="'half'; it must be one of auto, float32, bfloat16"):
        PoseTransfer.from_pretrained(layered_weights, precision="half")


def test_pictures_in_bfloat16_are_near(layered, layered_weights, street, people):
    fast = PoseTransfer.from_pretrained(layered_weights, "cpu", precision="bfloat16")
    for settings in ({}, {"background": "paint"}, {"size": 128, "background": "none"}):
        exact, near = (run(one, *street, people(1), SIZE, **settings) for one in (layered, fast))
        assert near.shape == exact.shape
        assert (near != exact).any()
        assert np.abs(near.astype(int) - exact).mean() < 3
