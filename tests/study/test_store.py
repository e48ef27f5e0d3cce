"""A study's file, its order of items and its database."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from deformgan.errors import InputError
from deformgan.study.config import Study, chosen_pictures, read_study
from deformgan.study.store import OutOfTurnError, Store, UnknownParticipantError, order_of_items


def test_the_defaults_are_the_paper_s(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('[real]\nfolder = "real"\n[generated]\nfolder = "fake"\n')
    study = read_study(path)
    assert study.real is not None
    assert study.generated is not None
    assert (study.real.count, study.generated.count) == (55, 55)
    assert (study.practice, study.seconds, study.mode) == (10, 1.0, "real-or-fake")
    assert study.real.folder == tmp_path / "real"
    assert study.database == tmp_path / "study.sqlite"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mode = ", "is not TOML"),
        ('mode = "guess"', "mode: input should be 'real-or-fake' or 'preference', got 'guess'."),
        ("colour = 1", "unknown entry 'colour'; known are title, mode, consent"),
        ('[real]\nfolder = "a"\nsize = 2', "unknown entry 'real.size'; known are folder, name, "),
        ('[real]\nfolder = "a"', "mode 'real-or-fake' needs a table [generated] with a folder."),
        ("seconds = -1", "seconds: input should be greater than or equal to 0, got -1."),
        (
            '[real]\nfolder="a"\n[generated]\nfolder="a"\n[b]\nfolder="b"',
            "[b] is not allowed in mode 'real-or-fake'.",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, said):
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_study(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_pictures_and_missing_folders_are_named(make_study, tmp_path):
    study = read_study(make_study(count=4))
    assert {kind: len(names) for kind, names in chosen_pictures(study).items()} == {
        "real": 4,
        "generated": 4,
    }
    assert study.real is not None
    many = study.model_copy(update={"real": study.real.model_copy(update={"count": 9})})
    with pytest.raises(InputError, match=r"Only 6 pictures \(real\) for a count of 9"):
        chosen_pictures(many)
    gone = study.model_copy(
        update={"real": study.real.model_copy(update={"folder": tmp_path / "x"})}
    )
    with pytest.raises(InputError, match="does not exist"):
        chosen_pictures(gone)
    with pytest.raises(InputError, match="practice must be below the 8 items shown, got 8"):
        chosen_pictures(study.model_copy(update={"practice": 8}))


def test_everybody_sees_every_picture_once_in_an_order_of_their_own():
    pictures = {"real": [f"{n}.png" for n in range(55)], "generated": ["x.png"] * 0 + ["a", "b"]}
    study = Study(seed=3)
    orders = [order_of_items(study, pictures, number) for number in (1, 2, 1)]
    for items in orders:
        assert sorted((i.kind, i.picture) for i in items) == sorted(
            (kind, name) for kind, names in pictures.items() for name in names
        )
        assert [i.position for i in items] == list(range(57))
        assert [i.practice for i in items] == [True] * 10 + [False] * 47
    assert orders[0] == orders[2] != orders[1]
    other = order_of_items(Study(seed=4), pictures, 1)
    assert other != orders[0]


def test_the_side_is_drawn_evenly():
    pictures = {"preference": [f"{n}" for n in range(2000)]}
    lefts = [i.left for i in order_of_items(Study(mode="preference"), pictures, 1)]
    assert abs(lefts.count("a") - 1000) < 4 * (2000 * 0.25) ** 0.5


def test_answers_are_kept_once_in_turn_and_a_receipt_that_was_lost_does_no_harm(make_study):
    store = Store(read_study(make_study()))
    who = store.join()
    assert store.done(who) == (0, 12)
    store.answer(who, 0, "real", 500.0)
    store.answer(who, 0, "real", 900.0)  # sent again
    assert store.done(who) == (1, 12)
    with pytest.raises(OutOfTurnError, match="item 0 was already answered with 'real'"):
        store.answer(who, 0, "fake", 1.0)
    with pytest.raises(OutOfTurnError, match="item 1 is next, not 2"):
        store.answer(who, 2, "fake", 1.0)
    with pytest.raises(UnknownParticipantError):
        store.answer("nobody", 0, "real", 1.0)
    for position in range(1, 12):
        store.answer(who, position, "fake", 1.0)
    with pytest.raises(OutOfTurnError):
        store.answer(who, 12, "fake", 1.0)
    base = sqlite3.connect(store.study.database)
    assert base.execute("SELECT COUNT(*), SUM(milliseconds) FROM answer").fetchone() == (12, 511.0)
    assert base.execute("SELECT finished IS NOT NULL FROM participant").fetchone() == (1,)


def test_many_at_once_lose_nothing(make_study):
    store = Store(read_study(make_study(count=20)))

    def take_part(_):
        who = store.join()
        for position in range(40):
            store.answer(who, position, "real", 1.0)
        return store.done(who)

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(take_part, range(6))) == [(40, 40)] * 6
    base = sqlite3.connect(store.study.database)
    numbers = [number for (number,) in base.execute("SELECT number FROM participant")]
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]


def test_a_database_of_other_questions_is_refused(make_study, tmp_path):
    path = make_study()
    Store(read_study(path)).close()
    Store(read_study(path)).close()  # the same again goes on
    (tmp_path / "real" / "00.png").write_bytes((tmp_path / "real" / "01.png").read_bytes())
    text = path.read_text()
    path.write_text("seed = 5\n" + text)
    with pytest.raises(InputError, match="has answers to a different study"):
        Store(read_study(path))
    path.write_text('database = "real"\n' + text)
    with pytest.raises(InputError, match="cannot be used"):
        Store(read_study(path))


@pytest.mark.parametrize("number", [1, 2, 3, 20])
def test_practice_has_real_and_generated_pictures_in_the_proportion_of_the_study(number):
    pictures = {name: [f"{row}.png" for row in range(55)] for name in ("real", "generated")}
    items = order_of_items(Study(), pictures, number)
    assert [item.practice for item in items] == [True] * 10 + [False] * 100
    assert sum(item.kind == "real" for item in items if item.practice) == 5
    assert len({(item.kind, item.picture) for item in items}) == 110


def test_a_file_that_is_no_picture_is_named_before_anybody_takes_part(make_study, tmp_path):
    path = make_study()
    for name in (tmp_path / "real").iterdir():
        name.write_text("no picture")
    with pytest.raises(InputError, match=r"real/.*\.png cannot be read as an image"):
        Store(read_study(path))


def test_what_the_study_is_gets_written_whole_or_not_at_all(make_study):
    study = read_study(make_study())
    statements = []
    store = Store(study)
    store._base.set_trace_callback(statements.append)
    store._claim(study.database)
    store.close()
    inserts = [row for row, text in enumerate(statements) if text.startswith("INSERT")]
    assert inserts
    assert statements.index("BEGIN IMMEDIATE") < min(inserts)
    assert statements.index("COMMIT") > max(inserts)
