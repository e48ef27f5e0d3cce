"""`deformgan data check`: what is printed, what is written, and the exit code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER


@pytest.fixture
def photos(tmp_path) -> Path:
    """Two people of the bundled ones, a folder for each, and their table."""
    root = tmp_path / "photos"
    lines = (FOLDER / "annotation.csv").read_text().splitlines()
    rows = [lines[0]]
    for index, line in enumerate(lines[1:25]):
        person = "ann" if index < 12 else "bob"
        (root / person).mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / "bounding_box_train" / line.partition(":")[0], root / person)
        rows.append(f"{person}/{line}")
    (root / "annotation.csv").write_text("\n".join(rows) + "\n")
    return root


def test_a_whole_set_gives_counts_and_exit_code_0(photos, capsys):
    assert main(["data", "check", str(photos)]) == 0
    assert capsys.readouterr().out == (
        f"{photos}: layout of folder\n"
        "  .: 24 images, 2 identities\n"
        "  annotation.csv: 24 lines, 0 without joints, 24 usable\n"
        "\n"
        "0 errors, 0 warnings\n"
    )


def test_ten_of_a_kind_are_printed_and_all_are_in_the_report(photos, tmp_path, capsys):
    for image in (photos / "ann").iterdir():
        image.write_text("gone")
    report = tmp_path / "report.json"
    assert main(["data", "check", str(photos), "--json", str(report)]) == 1
    printed = capsys.readouterr().out
    assert "  images that cannot be decoded: 12\n" in printed
    assert printed.count("not an image\n") == 10
    assert "    and 2 more\n" in printed
    assert printed.endswith("\n12 errors, 0 warnings\n")
    data = json.loads(report.read_text())
    assert data["layout"] == "folder"
    assert data["numbers"] == {"error": 12, "warning": 0, "info": 0}
    assert data["counts"]["images"] == {"": {"images": 24, "identities": 2}}
    assert len(data["findings"]) == 12
    assert data["findings"][0] == {
        "severity": "error",
        "kind": "unreadable-image",
        "what": "not an image",
        "file": f"ann/{min(file.name for file in (photos / 'ann').iterdir())}",
        "line": None,
    }


@pytest.mark.parametrize("name", ["absent", "annotation.csv", "empty"])
def test_what_cannot_be_looked_at_is_one_line_and_exit_code_2(photos, capsys, name):
    (photos / "empty").mkdir()
    assert main(["data", "check", str(photos / name)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("deformgan: ")
    assert printed.err.count("\n") == 1
    assert str(photos / name) in printed.err


def test_the_report_s_place_is_checked_before_the_work(photos, capsys):
    assert main(["data", "check", str(photos), "--json", str(photos / "a" / "b.json")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_terminal_that_knows_ascii_alone_gets_every_name(photos):
    (photos / "ann" / "Zoë.jpg").write_bytes(b"")
    result = subprocess.run(
        [Path(sys.executable).with_name("deformgan"), "data", "check", photos],
        env={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == ""
    assert "ann/Zo\\xeb.jpg: the file is empty" in result.stdout
