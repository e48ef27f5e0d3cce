"""A pair of scissors, a skeleton of two blades in one JSON file, through every command."""

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from deformgan.checkpoint import load_generator
from deformgan.cli.main import main
from deformgan.datasets import open_dataset
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotations
from deformgan.pose_formats.annotation_csv import write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.pose_formats.deformgan_json import write_deformgan_json
from deformgan.skeletons import find_skeleton

pytestmark = pytest.mark.slow  # one small training for all of it

SIZE = 32
SCISSORS: dict[str, Any] = {
    "name": "scissors",
    "joints": ["pivot", "right_tip", "left_tip", "right_handle", "left_handle"],
    "mirrored": [["right_tip", "left_tip"], ["right_handle", "left_handle"]],
    "limbs": [["right_handle", "right_tip"], ["left_handle", "left_tip"]],
    "parts": [
        {
            "name": "whole",
            "region": "image",
            "joints": ["pivot", "right_handle", "left_handle"],
            "needs": 3,
            "mandatory": True,
        },
        {
            "name": "right_blade",
            "region": "limb",
            "joints": ["right_handle", "right_tip"],
            "needs": 2,
            "twin": "left_blade",
        },
        {
            "name": "left_blade",
            "region": "limb",
            "joints": ["left_handle", "left_tip"],
            "needs": 2,
            "twin": "right_blade",
        },
    ],
    "unit": [["right_handle", "pivot"], ["left_handle", "pivot"]],
    "limb_width": 0.5,
}
TINY = [
    *("--generator.encoder-widths", "8", "12", "16", "--generator.decoder-widths", "16", "12"),
    *("--generator.warped-levels", "2", "--generator.heatmap-sigma", "2"),
    *("--discriminator.widths", "8", "12", "16", "--discriminator.heatmap-sigma", "2"),
    *("--weights.l1", "100", "--weights.adversarial", "0.01", "--ema-decay", "0.95"),
    *("--batch-size", "8", "--learning-rate", "2e-3", "--log-every", "40", "--save-every", "500"),
]


def draw(colors, middle, turn, opening):
    """Draw scissors; return the picture and its joints in the skeleton's order."""
    angles = {"right": turn + opening, "left": turn - opening}
    middle = np.array(middle, dtype=np.float64)
    picture = Image.new("RGB", (4 * SIZE, 4 * SIZE), (70, 75, 80))
    pen = ImageDraw.Draw(picture)
    joints = {"pivot": middle}
    for (side, angle), color in zip(angles.items(), colors, strict=True):
        along = np.array([np.cos(angle), np.sin(angle)])
        joints[f"{side}_tip"], joints[f"{side}_handle"] = middle + 10 * along, middle - 6 * along
        ends = [joints[f"{side}_tip"], joints[f"{side}_handle"]]
        pen.line([tuple(4 * (end + 0.5)) for end in ends], color, width=12)
    return (
        picture.resize((SIZE, SIZE), Image.Resampling.BOX),
        [joints[name] for name in SCISSORS["joints"]],
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Twelve pairs of scissors in four poses each; the last three are nobody's to train on."""
    root = tmp_path_factory.mktemp("scissors")
    (root / "scissors.json").write_text(json.dumps(SCISSORS))
    folder = root / "data" / "bounding_box_train"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    colors = random.integers(90, 255, (12, 2, 3))
    names, joints = [], []
    for who, view in product(range(12), range(4)):
        name = f"{who + 1:04d}_c{view + 1}s1_{view:06d}_00.jpg"
        picture, points = draw(
            [tuple(map(int, color)) for color in colors[who]],
            random.uniform(13, 18, 2),
            random.uniform(-0.6, 0.6) - np.pi / 2,
            random.uniform(0.15, 0.8),
        )
        picture.save(folder / name, quality=95)
        names.append(name)
        joints.append(points)
    pose = Pose(torch.tensor(np.array(joints)).float(), torch.ones(48, 5, dtype=torch.bool))
    skeleton = find_skeleton(str(root / "scissors.json"))
    table = Annotations(names, pose, (SIZE, SIZE), skeleton=skeleton)
    write_annotation_csv(root / "data" / "annotation.csv", table)
    write_deformgan_json(root / "moves.json", table.select(names[:4]))
    people = {"train": [f"{n:04d}" for n in range(1, 10)], "test": ["0010", "0011", "0012"]}
    (root / "data" / "identity-split.json").write_text(json.dumps(people))
    lines = [
        "from,to",
        *(
            f"{names[4 * w + a]},{names[4 * w + b]}"
            for w in (9, 10, 11)
            for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))
        ),
    ]
    (root / "pairs.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def run(home):
    """Train on them, by the command."""
    assert train(home, "run") == 0
    return home / "run"


def train(home, out, *words):
    skeleton = ["--skeleton", str(home / "scissors.json")]
    folders = ["--data", str(home / "data"), "--out", str(home / out)]
    return main(["train", "quickstart", *folders, *skeleton, "--steps", "100", *TINY, *words])


def paint(weights, home):
    """Generate the test scissors and return the mean distance from the truth."""
    generator = load_generator(weights)[0] if not isinstance(weights, Generator) else weights
    skeleton = generator.skeleton
    photos = open_dataset(home / "data", split="test", skeleton=skeleton)
    source, target = photos.pairs.T
    images = to_float(photos.images)
    with torch.inference_mode():
        painted = generator(View(images[source], photos.poses[source]), photos.poses[target])
    return (painted - images[target]).abs().mean().item(), (
        images[source] - images[target]
    ).abs().mean().item()


def test_training_learns_to_move_the_blades_of_scissors_never_seen(run, home):
    error, copying = paint(run / "generator.safetensors", home)
    assert error < 0.6 * copying


def test_the_weights_carry_the_skeleton_and_need_no_file(run, home):
    generator, _ = load_generator(run / "generator.safetensors")
    assert generator.skeleton == find_skeleton(str(home / "scissors.json"))
    assert len(generator.skeleton.parts) == 3


def test_an_untrained_generator_has_a_stream_as_wide_as_the_skeleton_asks():
    text = json.dumps(SCISSORS)
    config = GeneratorConfig(
        encoder_widths=(4, 4, 4), decoder_widths=(4, 4), warped_levels=2, skeleton=text
    )
    assert Generator(config).target_encoder[0].in_channels == 5
    assert Generator(config).source_encoder[0].in_channels == 3 + 5


def test_generate_takes_poses_of_the_weights_skeleton(run, home, tmp_path):
    photo = home / "data" / "bounding_box_train" / "0010_c1s1_000000_00.jpg"
    table = home / "data" / "annotation.csv"
    words = [str(photo), f"{home / 'moves.json'}:0001_c2s1_000001_00.jpg"]
    words += ["--source-pose", f"{table}:{photo.name}", "--out", str(tmp_path / "out.png")]
    words += ["--weights", str(run / "generator.safetensors"), "--json", str(tmp_path / "r.json")]
    assert main(["generate", *words, "--skeleton", str(home / "scissors.json")]) == 0
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (SIZE, SIZE)
    report = json.loads((tmp_path / "r.json").read_text())
    assert list(report["target_joints"]) == SCISSORS["joints"]


def test_animate_and_explain_take_them_too(run, home, tmp_path):
    photo = home / "data" / "bounding_box_train" / "0010_c1s1_000000_00.jpg"
    pose = ["--source-pose", f"{home / 'data' / 'annotation.csv'}:{photo.name}"]
    pose += ["--weights", str(run / "generator.safetensors")]
    moves = str(home / "moves.json")
    assert main(["animate", str(photo), moves, *pose, "--out", str(tmp_path / "out.gif")]) == 0
    with Image.open(tmp_path / "out.gif") as picture:
        assert getattr(picture, "n_frames", 1) == 4
    asked = f"{moves}:0001_c3s1_000002_00.jpg"
    assert main(["explain", str(photo), asked, *pose, "--out", str(tmp_path / "explain")]) == 0
    parts = json.loads((tmp_path / "explain" / "transforms.json").read_text())["parts"]
    assert [part["part"] for part in parts] == ["whole", "right_blade", "left_blade"]


def test_evaluate_scores_what_can_be_scored_and_says_what_cannot(run, home, tmp_path):
    words = ["--images", str(home / "data" / "bounding_box_train")]
    words += ["--annotations", str(home / "data" / "annotation.csv")]
    words += ["--pairs", str(home / "pairs.csv"), "--json", str(tmp_path / "report.json")]
    assert main(["evaluate", *words, "--weights", str(run / "generator.safetensors")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["n"] == 12
    assert report["protocol"]["skeleton"] == "scissors"
    assert {"ssim", "mask_ssim", "part_error_left_blade"} <= set(report["metrics"])
    assert "supports openpose18 only" in report["unavailable"]["pckh_pose18"]
    assert "identity_person_embedding" in report["unavailable"]


def test_data_check_knows_the_skeleton(home, capsys):
    assert (
        main(["data", "check", str(home / "data"), "--skeleton", str(home / "scissors.json")]) == 0
    )
    assert main(["data", "check", str(home / "data")]) == 1
    assert "18 numbers" in capsys.readouterr().out


def test_ablate_compares_variants_on_scissors(home, tmp_path):
    words = ["--data", str(home / "data"), "--out", str(tmp_path / "ablation"), "--pairs", "6"]
    words += ["--skeleton", str(home / "scissors.json"), "--variants", "baseline", "dsc"]
    words += ["--recipe", "quickstart", "--steps", "2", *TINY]
    words += ["--generator.blend", "false"]
    assert main(["ablate", *words]) == 0
    found = json.loads((tmp_path / "ablation" / "ablation.json").read_text())
    assert set(found["variants"]) == {"baseline", "dsc"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--skeleton", "coco17"],
            "--skeleton is coco17 (17 joints), but the weights were trained",
        ),
        ([], "No detector finds the joints of scissors in"),
    ],
)
def test_a_mistake_is_one_line(run, home, tmp_path, capsys, words, said):
    photo = home / "data" / "bounding_box_train" / "0010_c1s1_000000_00.jpg"
    pose = f"{home / 'moves.json'}:0001_c1s1_000000_00.jpg"
    common = ["--weights", str(run / "generator.safetensors"), "--out", str(tmp_path / "out.png")]
    assert main(["generate", str(photo), pose, *common, *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_poses_of_an_unknown_skeleton_name_the_flag(home):
    content = json.loads((home / "moves.json").read_text())
    assert content["skeleton"] == "scissors"
    from deformgan.errors import InputError

    with pytest.raises(InputError, match="pass your own with --skeleton FILE"):
        read_annotations(home / "moves.json")
    with pytest.raises(InputError, match="the skeleton 'scissors', not hand21"):
        read_annotations(home / "moves.json", find_skeleton("hand21"))
