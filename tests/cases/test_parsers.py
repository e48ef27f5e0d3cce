"""Files that no parser expects: one line, and exit code 2."""

import os
import shutil

import pytest
from PIL import Image

from deformgan.datasets.bundled_people import FOLDER

DEEP, LONG = 3000, 5000  # lists in lists; digits


def assert_one_line(found, *said):
    code, _, error = found
    assert code == 2, error
    assert error.startswith("deformgan: ")
    assert error.count("\n") == 1
    assert len(error) < 1500
    for word in said:
        assert word in error


@pytest.mark.parametrize("name", ["c.toml", "c2.toml"])
def test_25_settings(case, run, tmp_path, name):
    file = case("25-parsers") / name
    assert_one_line(run("train", "quickstart", "--out", tmp_path / "o", "--config", file), name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["s.toml", "s4.toml"])
def test_25_studies(case, run, name):
    assert_one_line(run("study", "serve", case("25-parsers") / name))


def test_25_reports(case, run):
    folder = case("25-parsers")
    assert_one_line(run("compare", folder / "r1.json", folder / "r2.json"), "r1.json")


def test_25_pairs(case, run, tmp_path):
    assert_one_line(pairs(run, tmp_path, case("25-parsers") / "pc.csv"), "pc.csv")


def pairs(run, folder, table):
    return run(
        *("evaluate", "--images", FOLDER / "bounding_box_train", "--json", folder / "o.json"),
        *("--annotations", FOLDER / "annotation.csv", "--pairs", table, "--weights", "pedestrian"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "steps = " + "9" * LONG,
        "a = " + "[" * DEEP,
        "a = " + "{b = " * DEEP,
        "steps = 1e999999",
        'steps = "' + "x" * 100_000 + '"',
        "[steps]\n" + "a" * 70_000 + " = 1",
        "steps = 1979-05-27",
    ],
)
def test_settings_of_these_kinds(run, tmp_path, text):
    file = tmp_path / "c.toml"
    file.write_text(text)
    assert_one_line(run("train", "quickstart", "--out", tmp_path / "o", "--config", file))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "text",
    [
        "seed = " + "9" * LONG,
        "a = " + "[" * DEEP,
        '[real]\nfolder = "' + "b" * 300 + '"\n[generated]\nfolder = "x"',
        '[real]\nfolder = "a\\u0000b"\n[generated]\nfolder = "x"',
        'database = "' + "d" * 5000 + '"\n[real]\nfolder = "."\n[generated]\nfolder = "."',
        'mode = "' + "m" * 50_000 + '"',
    ],
)
def test_studies_of_these_kinds(run, tmp_path, text):
    file = tmp_path / "s.toml"
    file.write_text(text)
    assert_one_line(run("study", "serve", file))


@pytest.mark.parametrize(
    "text",
    [
        '{"protocol": {}, "metrics": {"ssim": {"value": 1' + "0" * 400 + "}}}",
        '{"protocol": {}, "metrics": {"ssim": {"value": 1' + "0" * LONG + "}}}",
        '{"protocol": {}, "metrics": {"ssim": {"value": 1, "ci95": [0, 1' + "0" * 400 + "]}}}",
        '{"protocol": {}, "metrics": {}, "pairs": {"from": [[]], "to": ["a"], '
        '"asked_joints": [1], "numbers": {}}}',
        '{"protocol": ' + '{"a": ' * DEEP,
        "[" * DEEP,
    ],
)
def test_reports_of_these_kinds(run, tmp_path, text):
    file = tmp_path / "r.json"
    file.write_text(text)
    assert_one_line(run("compare", file, file), "r.json")


@pytest.mark.parametrize(
    "text",
    [
        "from,to\n" + "a" * 140_000 + ",b\n",
        "from,to\n" + "a" * 5000 + ",b\n",
        "from,to\na,b,c\n",
        "from,to\n\x00,b\n",
        "from,to\nabsent.jpg,absent.jpg\n",
    ],
)
def test_pairs_of_these_kinds(run, tmp_path, text):
    (tmp_path / "p.csv").write_text(text)
    assert_one_line(pairs(run, tmp_path, tmp_path / "p.csv"))
    assert not (tmp_path / "o.json").exists()


@pytest.mark.parametrize(
    "text", ["[" * DEEP, '{"train": [' + "9" * LONG + "]}", '{"train": 1}', "{}", "\ud800"]
)
def test_identity_splits_of_these_kinds(run, tmp_path, text):
    (tmp_path / "bounding_box_train").mkdir()
    Image.new("RGB", (8, 16)).save(tmp_path / "bounding_box_train" / "0001_c1s1_000001_00.png")
    (tmp_path / "identity-split.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    out = tmp_path / "o"
    assert_one_line(run("reid", "train", "light-ide", "--data", tmp_path, "--out", out))


def test_13_names_that_are_not_utf_8(case, run, tmp_path):
    folder = case("13-names-traceback")
    photos = tmp_path / "bad"
    photos.mkdir()
    shutil.copy(folder / "ok.jpg", photos)
    odd = os.fsencode(photos) + b"/br\xf6ken.jpg"
    with open(odd, "wb") as file:
        file.write(b"x")
    poses, report = tmp_path / "p.json", tmp_path / "r.json"
    code, printed, error = run("pose", photos, "--out", poses, "--json", report)
    assert code in (0, 1), error
    (printed + error).encode("utf-8")
    assert report.is_file()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_13_strays_that_are_not_utf_8(case, run, tmp_path):
    folder = case("13-names-traceback")
    made = tmp_path / "gen"
    made.mkdir()
    stem = "0001_c1s1_000001_00__0001_c2s1_000001_00.png"
    shutil.copy(folder / "a__b.png", made / stem)
    shutil.copy(folder / "a__b.png", os.fsencode(made) + b"/str\xe9y.png")
    report = tmp_path / "e.json"
    code, printed, error = run(
        *("evaluate", "--images", folder / "img", "--annotations", folder / "annotation.csv"),
        *("--pairs", folder / "pairs.csv", "--generated", made, "--metrics", "l1"),
        *("--json", report),
    )
    assert code in (0, 1), error
    (printed + error).encode("utf-8")
    assert report.is_file()


@pytest.mark.parametrize("length", [245, 252])  # 255 bytes with ".png" is 251
def test_13_a_long_name_that_the_file_system_allows(case, run, tmp_path, length):
    photo = case("13-names-traceback") / "ok.jpg"
    out = tmp_path / ("a" * length + ".png")
    code, _, error = run("generate", photo, photo, "--out", out)
    if length > 251:
        assert_one_line((code, "", error))
    else:
        assert code == 0, error
        assert out.is_file()
