"""`verify` against the shared golden folder, against copies of it that lie, and reordered ones."""

import hashlib
import inspect
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from deformgan.cli.verify import verify as run_command
from deformgan.errors import InputError
from deformgan.verify import Row, verify
from deformgan.verify.checks import AllChecks, FileChecks, Finding
from deformgan.verify.golden import BUNDLED, MANIFEST, Golden
from deformgan.verify.manifest import check_manifest
from deformgan.verify.run import STEPS, Step, check_step

# A whole run takes half a minute of an idle core.
pytestmark = pytest.mark.timeout(900)

# What the project may leave out: TensorFlow's own backward pass of the warp.
MAY_BE_EXCLUDED = re.compile(r"warp\.npz grad_tf_\w+|net/grad_gen_mask_\w+\.npz enc_app\.[\w.]+")


class Recorded:
    """A whole run, with every comparison kept so that it can be made again with other numbers.

    Attributes:
        golden: The shared folder.
        rows: The verdicts.
        calls: The comparisons by file and array: method and arguments.
    """

    def __init__(self, folder: Path):
        self.golden = Golden(folder)
        self.calls: dict[tuple[str, str], list[tuple]] = {}
        all_checks = AllChecks(self.golden)
        with pytest.MonkeyPatch.context() as patch:
            for name in ("close", "same", "same_bits"):
                patch.setattr(FileChecks, name, self._keeping(getattr(FileChecks, name)))
            failed = [
                row
                for step in STEPS
                for file in self.golden.files
                if re.fullmatch(step.pattern, file)
                for row in check_step(all_checks, step, file)
            ]
        files = [file for file in self.golden.files if re.search(r"npz$|json$|csv$", file)]
        files.remove(MANIFEST)
        self.rows = failed + [row for file in files for row in all_checks.of_file(file).rows()]

    def _keeping(self, method: Callable[..., Finding]) -> Callable[..., Finding]:
        def keep(checks: FileChecks, name: str, *args, **kwargs) -> Finding:
            self.calls.setdefault((checks.file, name), []).append((method, args, kwargs))
            return method(checks, name, *args, **kwargs)

        return keep

    def sees(self, file: str, name: str, value: np.ndarray) -> bool:
        """Whether some comparison of an array fails once it holds something else."""
        arrays = {**self.golden.arrays(file), name: value}
        for method, args, kwargs in self.calls.get((file, name), []):
            if not method(FileChecks(file, arrays), name, *args, **kwargs).ok:
                return True
        return self.sees_as_input(file, name, value)

    def sees_as_input(self, file: str, name: str, value: np.ndarray) -> bool:
        """Whether the file's own or another check fails once an input is another."""
        arrays = self.golden.arrays(file)
        true = arrays[name]
        arrays[name] = value
        try:
            return any(self._fails(step, primary, file) for step, primary in self._checks_of(file))
        finally:
            arrays[name] = true

    def _checks_of(self, file: str) -> list[tuple[Step, str]]:
        found = [
            (step, primary)
            for step in STEPS
            for primary in self.golden.files
            if re.fullmatch(step.pattern, primary) and _concerns(primary, file)
        ]
        return sorted(found, key=lambda check: check[1] != file)  # the nearest one first

    def _fails(self, step: Step, primary: str, file: str) -> bool:
        all_checks = AllChecks(self.golden)
        if check_step(all_checks, step, primary):
            return True
        return any(row.status == "fail" for row in all_checks.of_file(file).rows())


def _concerns(primary: str, file: str) -> bool:
    """Whether a check of `primary` may read `file`."""
    if primary == file:
        return True
    if not (primary.startswith("net/") and file.startswith("net/")):
        return False
    sizes = [re.findall(r"\d+x\d+", name) for name in (primary, file)]
    return not all(sizes) or sizes[0] == sizes[1]


@pytest.fixture(scope="module")
def recorded(golden) -> Recorded:
    return Recorded(golden)


def changed(row: Row, value: np.ndarray, counts: np.ndarray | None, everywhere: bool) -> np.ndarray:
    """Move a number by ten tolerances; flips one flag, a whole number by one, a letter.

    Args:
        row: The verdict on the array, with its tolerance.
        value: What it holds.
        counts: Which elements are compared; all if None.
        everywhere: Moves all numbers that are not whole.
    """
    value, step = value.copy(), 10 * (row.tolerance or 0) or 1
    if value.dtype.kind == "U":
        value.flat[0] = value.flat[0][:-1] + "~"
        return value
    if row.array.endswith("_packed") or "packed_" in row.array:
        bits = np.unpackbits(value, axis=-1)
        place = 0 if counts is None else int(np.flatnonzero(counts)[0])
        bits.flat[place] ^= 1
        return np.packbits(bits, axis=-1)
    size = np.abs(np.nan_to_num(value.astype(np.float64)))
    place = int(np.argmax(size if counts is None else np.where(counts, size, -1)))
    if value.dtype.kind == "b":
        value.flat[place] ^= True
    elif everywhere and value.dtype == np.int8:  # features, of which no transform reads every pixel
        value += 1
    elif value.dtype.kind in "iu":
        last = value.flat[place] == np.iinfo(value.dtype).max
        value.flat[place] = int(value.flat[place]) + (-1 if last else 1)
    elif everywhere:
        moved = (value + step).astype(value.dtype)
        # The least step of a half-precision weight may be larger than that.
        value = np.where(moved == value, np.nextafter(value, value.dtype.type(np.inf)), moved)
    else:
        value.flat[place] += step
    return value


def _counted(recorded: Recorded, row: Row) -> np.ndarray | None:
    """Find which elements of an array are compared: the `where` of its comparison."""
    for method, args, kwargs in recorded.calls.get((row.file, row.array), []):
        where = inspect.signature(method).bind(None, row.array, *args, **kwargs).arguments
        if where.get("where") is not None:
            return where["where"]
    return None


@pytest.mark.slow
def test_every_array_of_the_shared_folder_agrees(recorded):
    wrong = [row for row in recorded.rows if row.status not in ("pass", "excluded")]
    assert not wrong
    assert Counter(row.status for row in recorded.rows)["pass"] > 900


@pytest.mark.slow
def test_nothing_is_excluded_but_the_inverse_warp(recorded):
    excluded = [f"{row.file} {row.array}" for row in recorded.rows if row.status == "excluded"]
    assert excluded
    assert not [name for name in excluded if not MAY_BE_EXCLUDED.fullmatch(name)]
    assert not [name for name in excluded if name.endswith("exact_adjoint")]


@pytest.mark.slow
def test_every_array_has_one_verdict(recorded):
    named = Counter((row.file, row.array) for row in recorded.rows)
    stored = Counter(
        (file, array)
        for file in recorded.golden.files
        if file.endswith(".npz")
        for array in recorded.golden.arrays(file)
    )
    assert {key: count for key, count in named.items() if key[0].endswith(".npz")} == stored


def unseen(recorded: Recorded, rows: Iterable[Row]) -> list[str]:
    """Change one array at a time and names those in which nobody notices."""
    found = []
    for row in rows:
        value = recorded.golden.arrays(row.file)[row.array]
        # One weight of a thousand may meet nothing but zeros: an input is changed as a whole.
        everywhere = not is_compared(recorded, row)
        lie = changed(row, value, _counted(recorded, row), everywhere)
        if not recorded.sees(row.file, row.array, lie):
            found.append(f"{row.file} {row.array}")
    return found


def is_compared(recorded: Recorded, row: Row) -> bool:
    """Whether an array is set against one of ours; the others are inputs of some comparison."""
    return (row.file, row.array) in recorded.calls


def judged(recorded: Recorded) -> list[Row]:
    """The verdicts on arrays that count."""
    return [row for row in recorded.rows if row.status == "pass" and row.file.endswith(".npz")]


@pytest.mark.slow
def test_ten_tolerances_are_seen_in_every_array_that_is_compared(recorded):
    rows = [row for row in judged(recorded) if is_compared(recorded, row)]
    assert len(rows) > 600
    assert not unseen(recorded, rows)


@pytest.mark.slow
def test_ten_tolerances_are_seen_in_the_inputs_of_single_functions(recorded):
    rows = [
        row
        for row in judged(recorded)
        if not is_compared(recorded, row) and re.match(r"geo|nn|demo|incep", row.file)
    ]
    assert len(rows) > 10
    assert not unseen(recorded, rows)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["poses", "warp", "ssim", "net/"])
def test_ten_tolerances_are_seen_in_every_other_input(recorded, kind):
    rows = [
        row
        for row in judged(recorded)
        if not is_compared(recorded, row) and row.file.startswith(kind)
    ]
    assert rows
    assert not unseen(recorded, rows)


def write_manifest(folder: Path) -> None:
    """List the files of a folder as they now are."""
    listed: dict[str, dict] = {}
    for path in sorted(folder.rglob("*.*")):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST:
            continue
        content = path.read_bytes()
        listed[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                listed[name]["arrays"] = {
                    key: [list(value.shape), str(value.dtype)] for key, value in arrays.items()
                }
    (folder / MANIFEST).write_text(json.dumps(listed))


def copy_of(golden: Path, folder: Path) -> Path:
    """Copy a golden folder so that it can be changed."""
    copy = Path(shutil.copytree(golden, folder / "golden"))
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    copy.chmod(0o755)
    return copy


def rewrite(path: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
    """Change the arrays of a file."""
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez_compressed(path, **change(arrays))


def test_a_lie_an_unknown_array_and_a_missing_file_each_fail(golden, tmp_path, monkeypatch, capsys):
    copy = copy_of(golden, tmp_path)
    rewrite(copy / "demo_carry_over.npz", lambda arrays: {**arrays, "filled": arrays["filled"] + 1})
    rewrite(copy / "inception_score.npz", lambda arrays: {**arrays, "added": np.zeros(3)})
    rewrite(copy / "nn_loss.npz", lambda arrays: {k: v for k, v in arrays.items() if k != "l1_a"})
    (copy / "net/grad_disc_128x64.npz").unlink()
    (copy / "stranger.npz").write_bytes((copy / "demo_carry_over.npz").read_bytes())
    (copy / "tables/pairs_test_n10.csv").write_text("from,to\na.jpg,b.jpg\n")
    write_manifest(copy)
    # What takes long is left to the other tests.
    quick = [
        step for step in STEPS if not re.match(r"poses|warp|ssim|net/(gen|inp|los)", step.pattern)
    ]
    monkeypatch.setattr("deformgan.verify.run.STEPS", tuple(quick))
    report = tmp_path / "report.json"
    assert run_command(copy, json=report) == 1
    written = json.loads(report.read_text())
    found = {(row["file"], row["array"]): row["status"] for row in written["arrays"]}
    assert not written["passed"]
    assert found["demo_carry_over.npz", "filled"] == "fail"
    assert found["inception_score.npz", "added"] == "not built"
    assert found["inception_score.npz", "preds"] == "pass"
    assert found["nn_loss.npz", ""] == "fail"
    assert found["stranger.npz", "filled"] == "not built"
    assert found["tables/pairs_test_n10.csv", "pairs_test_n10.csv"] == "fail"
    assert found[r"net/grad_disc_\d+x\d+\.npz", ""] == "fail"
    assert "demo_carry_over.npz filled: error 1 > 0" in capsys.readouterr().out


def test_the_manifest_is_held_to_the_files_and_the_files_to_the_manifest(golden, tmp_path):
    copy = copy_of(golden, tmp_path)
    np.savez(copy / "demo_carry_over.npz", **Golden(golden).arrays("demo_carry_over.npz"))
    (copy / "tables/pairs_all.csv").unlink()
    (copy / "stranger.txt").write_text("not listed")
    (copy / "README.md").unlink()
    wrong = {row.array: row.note for row in check_manifest(Golden(copy)) if row.status != "pass"}
    assert wrong.keys() == {"demo_carry_over.npz", "tables/pairs_all.csv", "stranger.txt"}
    assert wrong["stranger.txt"] == "not listed"


def test_the_bundled_numbers_verify_an_installation_and_notice_a_wrong_one(
    monkeypatch, capsys, tmp_path
):
    assert run_command() == 0
    printed = capsys.readouterr().out
    files = ("geometry_units", "inception_score", "nn_loss", "poses_128x64", "warp")
    assert all(re.search(rf"^{name}\.npz +\d+ pass", printed, re.MULTILINE) for name in files)
    assert "fail" not in printed
    copy = copy_of(BUNDLED, tmp_path)
    rewrite(copy / "nn_loss.npz", lambda arrays: {**arrays, "l1_a": arrays["l1_a"] + 1})
    write_manifest(copy)
    monkeypatch.setattr("deformgan.verify.run.BUNDLED", copy)
    quick = [step for step in STEPS if "nn_loss" in step.pattern]
    monkeypatch.setattr("deformgan.verify.run.STEPS", tuple(quick))
    wrong = {row.array for row in verify() if row.status == "fail"}
    assert wrong == {"l1_a", "real_a", "fake_a"}  # with the inputs that it should prove


@pytest.mark.parametrize("content", [None, "notes.txt"])
def test_what_is_no_golden_folder_is_the_users_mistake(tmp_path, content):
    folder = tmp_path / "given"
    if content is not None:
        folder.mkdir()
        (folder / content).write_text("nothing")
    with pytest.raises(InputError, match=re.escape(str(folder))):
        verify(folder)


def reordered(golden: Path, folder: Path) -> Path:
    """Make another golden folder out of the shared one: other orders, numbers, names and sizes.

    The first five poses stay the first five (they were drawn), the first two and ten those (they
    masked images). Of the others those are dropped that no other file refers to, but for a dozen.
    """
    copy, random = copy_of(golden, folder), np.random.default_rng(0)
    stored = Golden(golden)
    used = {
        int(pair)
        for file in stored.files
        if file.endswith(".npz")
        for name, ids in stored.arrays(file).items()
        if name.endswith("_ids") or name.startswith("pair_ids")
        for pair in ids
    }
    count = len(stored.arrays("poses_128x64.npz")["tags"])
    others = [int(pair) for pair in 10 + random.permutation(count - 10)]
    kept = [pair for place, pair in enumerate(others) if pair in used or place < 12]
    blocks = [start + random.permutation(length) for start, length in ((0, 2), (2, 3), (5, 5))]
    order = np.array([*np.concatenate(blocks), *kept])
    place = {int(old): new for new, old in enumerate(order)}

    def poses(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        few = {"draw_colors", "draw_mask_packed", "stickman_x2"}
        ids = [place[int(old)] for old in arrays["heat_full_ids"][::-1]]
        arrays["heat_full"] = arrays["heat_full"][::-1]
        chosen = {
            name: value[order]
            if np.ndim(value) and len(value) == count
            else value[order[:5]]
            if name in few
            else value
            for name, value in arrays.items()
        }
        return chosen | {
            "heat_full_ids": np.array(ids),
            "invalid_kp": arrays["invalid_kp"][::-1],
            "invalid_check": arrays["invalid_check"][::-1],
        }

    def scores(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: value[[i for i in order if i < len(value)]] if np.ndim(value) else value
            for name, value in arrays.items()
        }

    def backwards(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        turned = {name: value[::-1] if np.ndim(value) else value for name, value in arrays.items()}
        ids = {
            name: np.array([place[int(old)] for old in value])
            for name, value in turned.items()
            if "_ids" in name
        }
        return turned | ids

    for path in copy.glob("poses_*.npz"):
        rewrite(path, poses)
    rewrite(copy / "ssim.npz", scores)
    rewrite(copy / "warp.npz", backwards)
    for path in (copy / "net").glob("*.npz"):
        if re.match(r"inputs|.*_outputs", path.name):
            rewrite(path, backwards)
    rewrite(
        copy / "net/losses_none_128x64.npz",
        lambda arrays: (
            arrays
            | {
                "train5.final_out": arrays["train5.final_out"][::-1],
                "train5.gen": arrays["train5.gen"],
            }
        ),
    )
    rewrite(
        copy / "geometry_units.npz",
        lambda arrays: {name: value[: len(value) - 3][::-1] for name, value in arrays.items()},
    )
    rewrite(
        copy / "nn_loss.npz",
        lambda arrays: {
            name.replace("_c", "_case7"): value
            for name, value in arrays.items()
            if "_d" not in name
        },
    )
    rewrite(
        copy / "demo_carry_over.npz",
        lambda arrays: {name: value[:5] for name, value in arrays.items()},
    )
    fewer = (copy / "tables/pairs_test_n10.csv").read_text().splitlines()[:8]
    (copy / "tables/pairs_test_n10.csv").unlink()
    (copy / "tables/pairs_test_n7.csv").write_text("\n".join(fewer) + "\n")
    write_manifest(copy)
    return copy


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_other_cases_in_another_order_agree_too(golden, tmp_path):
    wrong = [
        row for row in verify(reordered(golden, tmp_path)) if row.status not in ("pass", "excluded")
    ]
    assert not wrong
