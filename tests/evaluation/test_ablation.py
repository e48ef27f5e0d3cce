"""The comparison of variants: numbers, order, table, figure."""

import numpy as np
import pytest
import torch

from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import sample_test_pairs
from deformgan.draw.sheets import BORDER, HEADER
from deformgan.evaluation.ablation import compare_order, compare_variants, draw_figure, write_table
from deformgan.metrics.ssim import ssim

COUNT = 12


@pytest.fixture(scope="module")
def people():
    """The bundled people."""
    return Market1501(FOLDER)


@pytest.fixture(scope="module")
def pairs(people):
    """A few of their pairs."""
    return sample_test_pairs(people.pairs, COUNT)


@pytest.fixture(scope="module")
def pictures(people, pairs):
    """The target photos with much noise and with little."""
    targets = people.images[pairs[:, 1]].int()
    noise = torch.randint(-40, 41, targets.shape, generator=torch.Generator().manual_seed(0))
    return {
        "baseline": (targets + noise).clamp(0, 255).to(torch.uint8),
        "full": (targets + noise // 20).clamp(0, 255).to(torch.uint8),
    }


@pytest.fixture(scope="module")
def found(pictures, people, pairs):
    """What they are worth."""
    judges = {"pckh": lambda images, _, asked: asked.visible[:, 0].double()}
    return compare_variants(pictures, people, pairs, judges)


def test_numbers_are_the_metrics_means_and_lie_in_their_intervals(found, pictures, people, pairs):
    for name, images in pictures.items():
        expected = ssim(images, people.images[pairs[:, 1]]).double().mean().item()
        assert found["variants"][name]["metrics"]["ssim"]["value"] == pytest.approx(expected)
    copied = ssim(people.images[pairs[:, 0]], people.images[pairs[:, 1]]).double().mean().item()
    assert found["copy"]["metrics"]["ssim"]["value"] == pytest.approx(copied)
    for system in [found["copy"], *found["variants"].values()]:
        for number in system["metrics"].values():
            low, high = number["ci95"]
            assert low - 1e-9 <= number["value"] <= high + 1e-9


def test_a_judge_weighs_joints_where_it_counts_them(found, people, pairs):
    asked = people.poses[pairs[:, 1]].visible
    expected = (asked[:, 0] * asked.sum(dim=1)).sum() / asked.sum()
    assert found["copy"]["metrics"]["pckh"]["value"] == pytest.approx(expected.item())


def test_differences_are_to_the_first_variant(found):
    first, full = found["variants"]["baseline"], found["variants"]["full"]
    for metric, number in full["minus_first"].items():
        difference = full["metrics"][metric]["value"] - first["metrics"][metric]["value"]
        assert number["value"] == pytest.approx(difference)
    assert all(number["value"] == 0 for number in first["minus_first"].values())


def test_the_order_is_held_against_the_papers_over_people():
    # Ten people of two pairs each; of the paper's rows only three, and one that is not the paper's.
    shown = [str(pair // 2) for pair in range(20)]
    wobble = torch.linspace(-0.1, 0.1, 20, dtype=torch.float64)
    scores = {
        "baseline": {"ssim": 0.5 + 0 * wobble, "mask_ssim": wobble},
        "dsc": {"ssim": 0.5 + wobble, "mask_ssim": 0.1 + wobble},
        "full": {"ssim": 0.2 + wobble / 10, "mask_ssim": 0.2 + wobble},
        "learned": {"ssim": wobble, "mask_ssim": wobble},
    }
    order = compare_order(scores, shown)["ssim"]
    assert order["paper"] == ["full", "dsc", "baseline"]
    assert set(order["ours"][:2]) == {"baseline", "dsc"}
    assert order["ours"][2] == "full"
    verdicts = {name: found["verdict"] for name, found in order["comparisons"].items()}
    assert verdicts == {
        "dsc minus baseline": "not told apart",
        "full minus baseline": "opposite",
        "full minus dsc": "opposite",
    }
    assert order["comparisons"]["full minus dsc"]["paper"] == 0.018
    masked = compare_order(scores, shown)["mask_ssim"]
    assert masked["ours"] == masked["paper"] == ["full", "dsc", "baseline"]
    assert {found["verdict"] for found in masked["comparisons"].values()} == {"same"}
    assert compare_order({"full": scores["full"]}, shown)["ssim"]["comparisons"] == {}


def test_the_table_has_a_row_for_each_variant_with_the_papers_numbers(found):
    protocol = {"pairs": COUNT, "identities": 9, "data": "x", "split": "own", "samples": 8}
    table = write_table({"protocol": protocol, "base": {"recipe": "r", "seed": 0}, **found})
    rows = [line for line in table.splitlines() if line.startswith("| full |")]
    value = found["variants"]["full"]["metrics"]["ssim"]
    low, high = value["ci95"]
    assert rows[0].startswith(f"| full | {value['value']:.3f} [{low:.3f}, {high:.3f}] |")
    assert rows[0].endswith("| 0.290 | 0.805 |")
    assert len(rows) == 2  # and its difference to the first
    widths = {line.count("|") for line in table.splitlines() if " paper (recalled): ssim " in line}
    assert widths == {rows[0].count("|")}
    assert "| full minus baseline | " in table


def test_the_figure_shows_source_pose_target_and_every_variant(pictures, people, pairs):
    figure = np.array(draw_figure(pictures, people, pairs))
    height, width = people.size
    cell = 2 * width + 2 * BORDER
    top = HEADER + BORDER

    def shown(column):
        left = 2 * BORDER + column * cell
        return figure[top : top + 2 * height : 2, left : left + 2 * width : 2]

    source, target = pairs[0].tolist()
    assert np.array_equal(shown(0), people.images[source].permute(1, 2, 0))
    assert np.array_equal(shown(2), people.images[target].permute(1, 2, 0))
    for place, images in enumerate(pictures.values()):
        assert np.array_equal(shown(3 + place), images[0].permute(1, 2, 0))
