"""What every writer promises: the same tree, whoever wrote which shard, however often it died."""

import errno
import os
import shutil
from itertools import permutations
from pathlib import Path

import pytest

from deformgan.datasets import Market1501
from deformgan.errors import InputError
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.reid.writers import WRITERS, Finished, open_writer
from deformgan.reid.writers import writer as writer_module

SETTINGS = {"seed": 0}


@pytest.fixture
def data(market):
    return market()


@pytest.fixture
def photos(data):
    return Market1501(data)


@pytest.fixture
def shards(photos, data, finished, shards_of):
    return shards_of(finished(photos, data))


def test_the_fixture_knows_every_writer(every_writer):
    assert every_writer in WRITERS
    assert len(WRITERS) == 6


def test_the_tree_does_not_depend_on_the_order_of_shards(
    every_writer, data, shards, tmp_path, write, tree
):
    expected = tree(write(every_writer, tmp_path / "a", data))
    for number, order in enumerate(list(permutations(range(len(shards))))[1::7]):
        assert tree(write(every_writer, tmp_path / f"b{number}", data, order=order)) == expected


def test_the_tree_does_not_depend_on_how_many_processes_wrote_it(
    every_writer, data, photos, shards, tmp_path, write, tree
):
    expected = tree(write(every_writer, tmp_path / "a", data))
    ranks = [open_writer(every_writer, tmp_path / "b", photos, data, SETTINGS) for _ in range(3)]
    for number, items in enumerate(shards):
        ranks[number % 3].write_shard(number, items)
    ranks[0].finish(len(shards))
    assert tree(tmp_path / "b") == expected


def test_a_run_that_was_killed_goes_on_to_the_same_tree(
    every_writer, data, photos, shards, tmp_path, monkeypatch, write, tree
):
    expected = tree(write(every_writer, tmp_path / "a", data))
    out = tmp_path / "b"
    writer = open_writer(every_writer, out, photos, data, SETTINGS)
    writer.write_shard(0, shards[0])

    class Killed(BaseException):
        pass

    def dying(*_args):
        raise Killed

    # When the images are there already.
    with monkeypatch.context() as patched:
        patched.setattr(writer_module, "write_manifest", dying)
        with pytest.raises(Killed):
            writer.write_shard(1, shards[1])
    assert writer.done(0)
    assert not writer.done(1)
    (out / ".unfinished" / "left-over.part").write_text("half a fi")
    (out / ".report.0123abcd.unfinished.json").write_text("half a fi")

    resumed = open_writer(every_writer, out, photos, data, SETTINGS)
    for number, items in enumerate(shards):
        resumed.write_shard(number, items)
    resumed.finish(len(shards))
    assert tree(out) == expected


def test_finishing_can_be_killed_anywhere(
    every_writer, data, photos, shards, tmp_path, monkeypatch, write, tree
):
    expected = tree(write(every_writer, tmp_path / "a", data))
    out = tmp_path / "b"
    writer = open_writer(every_writer, out, photos, data, SETTINGS)
    for number, items in enumerate(shards):
        writer.write_shard(number, items)

    class Killed(BaseException):
        pass

    replace = Path.replace
    for survived in range(0, 60, 3):
        moves = iter(range(survived))

        def dying(self, target, moves=moves):
            if next(moves, None) is None:
                raise Killed
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", dying)
        resumed = open_writer(every_writer, out, photos, data, SETTINGS)
        try:
            resumed.finish(len(shards))
        except Killed:
            assert not (out / MANIFEST).exists()
        else:
            break
    monkeypatch.setattr(Path, "replace", replace)
    open_writer(every_writer, out, photos, data, SETTINGS).finish(len(shards))
    assert survived > 0
    assert tree(out) == expected


def test_a_finished_folder_is_done_and_finishing_again_changes_nothing(
    every_writer, data, photos, shards, tmp_path, write, tree
):
    out = write(every_writer, tmp_path / "a", data)
    expected = tree(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    again = open_writer(every_writer, out, photos, data, SETTINGS)
    assert all(again.done(number) for number in range(len(shards)))
    again.write_shard(0, shards[0])
    again.finish(len(shards))
    again.finish()
    assert tree(out) == expected
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_nothing_unfinished_is_left(every_writer, data, tmp_path, write):
    out = write(every_writer, tmp_path / "a", data)
    assert not [
        path for path in out.rglob("*") if path.name.startswith(".") or ".part" in path.name
    ]


def test_two_processes_with_one_shard_write_it_once(every_writer, data, photos, shards, tmp_path):
    first = open_writer(every_writer, tmp_path / "b", photos, data, SETTINGS)
    second = open_writer(every_writer, tmp_path / "b", photos, data, SETTINGS)
    fill = second.fill

    def slow(folder, number, items):
        fill(folder, number, items)
        first.write_shard(number, items)

    second.fill = slow
    second.write_shard(0, shards[0])
    assert [p.name for p in (tmp_path / "b" / ".unfinished").iterdir()] == ["shard-000000"]


def test_the_manifest_has_every_photo_in_order(every_writer, data, shards, tmp_path, write):
    out = write(every_writer, tmp_path / "a", data, order=range(len(shards))[::-1])
    assert read_manifest(out / MANIFEST) == [item.photo for items in shards for item in items]


def test_originals_are_copies_that_nobody_shares(every_writer, data, tmp_path, write):
    out = write(every_writer, tmp_path / "a", data)
    assert all(path.stat().st_nlink == 1 for path in out.rglob("*") if path.is_file())
    assert all(path.stat().st_nlink == 1 for path in data.rglob("*") if path.is_file())


def test_files_of_a_data_set_that_is_read_only_can_be_deleted_with_the_copy(data, tmp_path, write):
    for path in data.rglob("*.jpg"):
        path.chmod(0o444)
    out = write("market1501", tmp_path / "a", data)
    assert all(os.stat(path).st_mode & 0o200 for path in out.rglob("*.jpg"))


def test_a_shard_without_photos_is_a_shard(every_writer, data, photos, shards, tmp_path):
    writer = open_writer(every_writer, tmp_path / "b", photos, data, SETTINGS)
    writer.write_shard(0, [])
    writer.write_shard(1, shards[0])
    writer.finish(2)
    assert len(read_manifest(tmp_path / "b" / MANIFEST)) == len(shards[0])


def test_no_shard_at_all_gives_the_originals(every_writer, data, photos, tmp_path):
    open_writer(every_writer, tmp_path / "b", photos, data, SETTINGS).finish()
    assert read_manifest(tmp_path / "b" / MANIFEST) == []


def test_a_missing_shard_is_not_passed_over(data, photos, shards, tmp_path):
    writer = open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    writer.write_shard(1, shards[1])
    for wanted in (None, 2, 3):
        with pytest.raises(ValueError, match=r"shard 0 is missing \(1 are written\)"):
            writer.finish(wanted)
    writer.write_shard(0, shards[0])
    with pytest.raises(ValueError, match="shard 2 is missing"):
        writer.finish(3)


def test_a_folder_begun_with_other_settings_is_refused(data, photos, tmp_path):
    open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    with pytest.raises(InputError, match="other settings: seed was 0 and is now 1"):
        open_writer("market1501", tmp_path / "b", photos, data, {"seed": 1})
    with pytest.raises(
        InputError, match="other settings: writer was 'market1501' and is now 'csv'"
    ):
        open_writer("csv", tmp_path / "b", photos, data, SETTINGS)
    with pytest.raises(InputError, match="other settings: originals was 5 and is now 2"):
        open_writer("market1501", tmp_path / "b", photos.of_people(["0002"]), data, SETTINGS)
    (tmp_path / "b" / "augment.json").write_text("{")
    with pytest.raises(InputError, match=r"augment\.json is damaged"):
        open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)


def test_a_folder_with_something_else_in_it_is_refused(data, photos, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"is not empty and has no augment\.json"):
        open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    with pytest.raises(InputError, match="is not empty"):
        open_writer("market1501", data, photos, data, SETTINGS)


def test_a_data_set_that_is_augmented_already_is_refused(data, tmp_path, write):
    out = write("market1501", tmp_path / "a", data)
    with pytest.raises(InputError, match="is already augmented"):
        open_writer("market1501", tmp_path / "b", Market1501(out), out, SETTINGS)


def test_an_unknown_writer_is_refused(data, photos, tmp_path):
    with pytest.raises(InputError, match="Unknown writer 'zip'; choose one of market1501, "):
        open_writer("zip", tmp_path / "b", photos, data)


def test_a_file_in_the_place_of_the_folder_is_one_line(data, photos, tmp_path):
    (tmp_path / "b").touch()
    with pytest.raises(InputError, match="Cannot write "):
        open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)


def test_a_full_disk_is_one_line(every_writer, data, photos, shards, tmp_path, monkeypatch):
    writer = open_writer(every_writer, tmp_path / "b", photos, data, SETTINGS)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*_args, **_options):
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(writer, "fill", fail)
        with pytest.raises(InputError, match=r"Cannot write .*/b: No space left on device\."):
            writer.write_shard(0, shards[0])
    assert not writer.done(0)
    writer.write_shard(0, shards[0])
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(InputError, match="No space left on device"):
            writer.finish()
    writer.finish()


def test_an_original_that_has_gone_is_named(every_writer, data, photos, tmp_path):
    writer = open_writer(every_writer, tmp_path / "b", photos, data, SETTINGS)
    photos.paths[1].unlink()
    with pytest.raises(InputError, match=rf"The image .*{photos.names[1]} cannot be read"):
        writer.finish()


def test_a_name_in_two_shards_is_our_own_fault(data, photos, shards, tmp_path):
    writer = open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    writer.write_shard(0, shards[0])
    writer.write_shard(1, shards[0])
    with pytest.raises(AssertionError, match="is in two shards"):
        writer.finish()


def test_finishing_holds_no_more_than_a_shard_of_photos(data, photos, shards, tmp_path, jpeg):
    """Read and write in pieces: the peak does not grow with the number of shards."""
    import tracemalloc

    def peak(count):
        out = tmp_path / f"n{count}"
        writer = open_writer("webdataset", out, photos, data, SETTINGS)
        for number in range(count):
            items = [
                Finished(
                    writer_module.GeneratedPhoto(
                        **{**vars(item.photo), "name": f"{number}_{item.photo.name}"}
                    ),
                    jpeg("large", (1024, 512)),
                    item.pose,
                )
                for item in shards[0]
            ]
            writer.write_shard(number, items)
        tracemalloc.start()
        writer.finish(count)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        shutil.rmtree(out)
        return used

    assert peak(16) < 1.2 * peak(4) + 100_000


def test_processes_may_open_the_folder_at_the_same_time(data, photos, tmp_path, monkeypatch):
    first = open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    settings, seen = tmp_path / "b" / "augment.json", Path.is_file

    # The second one looks just before the first has written the settings.
    def late(path):
        if path == settings and not looked:
            looked.append(path)
            return False
        return seen(path)

    looked = []
    monkeypatch.setattr(Path, "is_file", late)
    second = open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    assert looked
    second.write_shard(0, [])
    assert first.done(0)


def test_shards_beyond_a_million_are_in_order(data, photos, shards, tmp_path, monkeypatch):
    writer = open_writer("market1501", tmp_path / "b", photos, data, SETTINGS)
    monkeypatch.setattr(writer, "_shard", lambda n: writer.out / ".unfinished" / f"shard-{n}")
    for number in range(11):
        writer.write_shard(number, shards[0][:1] if number == 2 else shards[1][:1] * (number == 10))
    writer.finish(11)
    names = [photo.name for photo in read_manifest(writer.out / MANIFEST)]
    assert names == [shards[0][0].photo.name, shards[1][0].photo.name]
