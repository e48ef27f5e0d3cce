"""The benchmark on people never trained on: its pairs, and what it reports."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from deformgan.checkpoint import save_generator
from deformgan.datasets.bundled_people import FOLDER as PEOPLE
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import build_pairs, read_pairs, write_pairs
from deformgan.errors import InputError
from deformgan.models.generator import Generator, GeneratorConfig

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SMALL = GeneratorConfig(encoder_widths=(4, 6, 8, 8), decoder_widths=(8, 6, 4), warped_levels=3)
JUDGED = {"pckh_movenet", "identity_osnet", "detection_score_FastestDet"}


@pytest.fixture(scope="module")
def benchmark_module(load_benchmark):
    """The script, imported."""
    return load_benchmark("test_identities")


@pytest.fixture
def crowd(benchmark_module, tmp_path, monkeypatch):
    """The bundled people as a data set of its own, half of whom are to be tested on."""
    folder = tmp_path / "crowd"
    shutil.copytree(PEOPLE, folder)
    everybody = sorted(set(Market1501(folder).identities))
    parts = {"train": everybody[::2], "test": everybody[1::2]}
    (folder / "identity-split.json").write_text(json.dumps(parts))
    monkeypatch.setattr(benchmark_module, "PAIR_LIST", tmp_path / "pairs.csv")
    write_pairs(tmp_path / "pairs.csv", build_pairs(Market1501(folder, split="test"), 9))
    return folder


def test_the_committed_pairs_are_the_sampling(market1501):
    listed = read_pairs(BENCHMARKS / "market_test_pairs.csv")
    people = Market1501(market1501, split="test")
    assert len(listed) == len(set(listed)) == 500
    assert listed == build_pairs(people, 500, seed=0)


def test_no_committed_pair_shows_somebody_to_train_on(market1501):
    split = json.loads((market1501 / "identity-split.json").read_text())
    shown = {name[:4] for pair in read_pairs(BENCHMARKS / "market_test_pairs.csv") for name in pair}
    assert shown <= set(split["test"])
    assert not shown & set(split["train"])


def test_other_pairs_than_the_committed_are_refused(
    benchmark_module, market1501, tmp_path, monkeypatch
):
    people = Market1501(market1501, split="test")
    chosen = benchmark_module.choose_pairs(people, 600, benchmark_module.PAIR_LIST)
    assert len(chosen) == 600
    assert chosen[:7].equal(benchmark_module.choose_pairs(people, 7, benchmark_module.PAIR_LIST))
    lines = (BENCHMARKS / "market_test_pairs.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    monkeypatch.setattr(benchmark_module, "PAIR_LIST", tmp_path / "other.csv")
    with pytest.raises(InputError, match="test pairs are not those"):
        benchmark_module.choose_pairs(people, 7, benchmark_module.PAIR_LIST)


def test_all_rendered_people_count_as_held_out(benchmark_module, crowd, tmp_path, capsys):
    (crowd / "identity-split.json").unlink()
    images = sorted((crowd / "bounding_box_train").glob("*.jpg"))
    (crowd / "masks").mkdir()  # what tells rendered people from photos
    for image in images:
        with Image.open(image) as photo:
            Image.new("L", photo.size).save(crowd / "masks" / f"{image.stem}.png")
    report = tmp_path / "r.json"
    benchmark_module.main(crowd, pairs=5, json=report)
    written = json.loads(report.read_text())
    assert written["n"] == 5
    assert written["protocol"]["images"] == "all"
    assert "5 pairs" in capsys.readouterr().out


def test_reports_judges_and_several_weights_with_intervals(
    benchmark_module, crowd, outside_weights, tmp_path, capsys
):
    pytest.importorskip("onnxruntime", reason="needs the extra pose")
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    files = []
    for seed in range(2):
        torch.manual_seed(seed)
        files.append(str(tmp_path / f"{seed}.safetensors"))
        save_generator(Path(files[-1]), Generator(SMALL), {})
    report, sheet = tmp_path / "r.json", tmp_path / "s.png"
    benchmark_module.main(
        crowd, tuple(files), judges=outside_weights, pairs=5, json=report, sheet=sheet
    )
    found = json.loads(report.read_text())
    first, second = files
    everything = {"ssim", "mask_ssim", "l1", "psnr"} | JUDGED
    assert found["systems"].keys() == {"copy", "target", first, second}
    assert found["systems"]["target"].keys() == JUDGED - {"identity_osnet"}
    for system in ("copy", first, second):
        assert found["systems"][system].keys() == everything
    names = (f"{first} minus copy", f"{second} minus copy", f"{second} minus {first}")
    assert tuple(found["differences"]) == names
    for metric in everything:
        one, other = (found["systems"][system][metric]["value"] for system in files)
        estimate = found["differences"][names[2]][metric]
        assert estimate["value"] == pytest.approx(other - one, abs=1e-9)
        for interval in (estimate["ci95"], estimate["ci95_by_identity"]):
            assert interval[0] - 1e-9 <= estimate["value"] <= interval[1] + 1e-9
    assert f"| {second} minus {first} |" in capsys.readouterr().out
    assert sheet.is_file()


def test_one_generator_and_no_judges_is_what_the_training_script_asks_for(
    benchmark_module, crowd, tmp_path
):
    weights = tmp_path / "x.safetensors"
    save_generator(weights, Generator(SMALL), {})
    report, sheet = tmp_path / "r.json", tmp_path / "s.png"
    benchmark_module.main(crowd, (str(weights),), pairs=3, json=report, sheet=sheet, device="cpu")
    found = json.loads(report.read_text())
    assert found["systems"].keys() == {"copy", "generated"}
    assert found["systems"]["generated"].keys() == {"ssim", "mask_ssim", "l1", "psnr"}
