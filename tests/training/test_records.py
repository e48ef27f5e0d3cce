"""What a run tells of itself: lines, pictures, events."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.errors import InputError
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pair import Pair, View
from deformgan.training.records import Records

SIZE = (32, 16)


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def generator():
    return Generator(GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6)))


@pytest.fixture
def samples(people):
    """Three pairs of noise with the poses of people."""
    images = torch.rand(2, 3, 3, *SIZE) * 2 - 1
    return Pair(View(images[0], people(3, SIZE)), View(images[1], people(3, SIZE, seed=1)))


def test_a_line_is_the_step_and_its_numbers(tmp_path):
    records = Records(tmp_path, 0)
    records.write(2, {"l1": 0.25, "speed": 3.0})
    records.write(4, {"l1": 0.125, "speed": 2.0})
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == '{"step": 2, "l1": 0.25, "speed": 3.0}\n{"step": 4, "l1": 0.125, "speed": 2.0}\n'


def test_lines_of_later_steps_and_half_written_ones_are_dropped(tmp_path):
    first = Records(tmp_path, 0)
    for step in (2, 4, 6, 8):
        first.write(step, {"l1": step / 8})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "l1')
    again = Records(tmp_path, 5)
    assert lines(tmp_path) == [{"step": 2, "l1": 0.25}, {"step": 4, "l1": 0.5}]
    again.write(6, {"l1": 0.0})
    assert lines(tmp_path)[2:] == [{"step": 6, "l1": 0.0}]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_the_line_of_the_step_that_a_run_goes_on_from_stays(tmp_path):
    records = Records(tmp_path, 0)
    records.write(3, {})
    Records(tmp_path, 3)
    assert lines(tmp_path) == [{"step": 3}]
    Records(tmp_path, 2)
    assert lines(tmp_path) == []


def test_new_records_write_nothing_before_they_are_told_something(tmp_path):
    Records(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_sample_sheet_is_source_target_and_generated_a_pair_a_row(tmp_path, generator, samples):
    Records(tmp_path, 0).show(5, generator, samples)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["0000005.png"]
    sheet = np.asarray(Image.open(tmp_path / "samples" / "0000005.png"))
    with torch.no_grad():
        generated = generator.eval()(samples.source, samples.target.pose)
    height, width = SIZE
    assert sheet.shape == (3 * height, 3 * width, 3)
    for item in range(3):
        for place, images in enumerate((samples.source.image, samples.target.image, generated)):
            cell = sheet[item * height :, place * width :][:height, :width]
            wanted = (images[item].permute(1, 2, 0).numpy() + 1) * 127.5
            assert np.abs(cell - wanted).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("training", [True, False])
def test_samples_are_painted_without_dropout_and_leave_the_generator_as_it_was(
    tmp_path, generator, samples, training
):
    records = Records(tmp_path, 0)
    generator.train(training)
    drawn = torch.get_rng_state()
    records.show(1, generator, samples)
    records.show(2, generator, samples)
    assert generator.training == training
    assert torch.equal(torch.get_rng_state(), drawn)
    one, other = ((tmp_path / "samples" / f"000000{step}.png").read_bytes() for step in (1, 2))
    assert one == other


@pytest.fixture
def read_events():
    """Return a function that reads a run's events back as TensorBoard does."""
    pytest.importorskip("tensorboard", reason="needs the extra track")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(out):
        events = EventAccumulator(str(out / "tensorboard"), size_guidance={"images": 0})
        return events.Reload()

    return read


def test_tensorboard_reads_back_the_numbers_and_the_samples(
    tmp_path, generator, samples, read_events
):
    records = Records(tmp_path, 0, tensorboard=True)
    for step in (2, 4):
        records.write(step, {"l1": step / 8, "speed": 3.0})
    records.show(4, generator, samples)
    events = read_events(tmp_path)
    assert set(events.Tags()["scalars"]) == {"l1", "speed"}
    assert [(event.step, event.value) for event in events.Scalars("l1")] == [(2, 0.25), (4, 0.5)]
    (picture,) = events.Images("samples")
    assert picture.step == 4
    assert (picture.height, picture.width) == (3 * SIZE[0], 3 * SIZE[1])
    (tmp_path / "seen.png").write_bytes(picture.encoded_image_string)
    seen = np.asarray(Image.open(tmp_path / "seen.png"))
    written = np.asarray(Image.open(tmp_path / "samples" / "0000004.png"))
    assert np.array_equal(seen, written)


def test_tensorboard_shows_the_steps_that_come_again_once(tmp_path, read_events):
    first = Records(tmp_path, 0, tensorboard=True)
    for step in (1, 2, 3, 4):
        first.write(step, {"l1": float(step)})
    assert first.events is not None
    first.events.close()
    again = Records(tmp_path, 2, tensorboard=True)
    for step in (3, 4):
        again.write(step, {"l1": float(-step)})
    told = [(event.step, event.value) for event in read_events(tmp_path).Scalars("l1")]
    assert told == [(1, 1.0), (2, 2.0), (3, -3.0), (4, -4.0)]


def test_without_tensorboard_the_extra_is_named_and_the_records_stay(tmp_path, monkeypatch):
    Records(tmp_path, 0).write(3, {})
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"^--tensorboard needs the extra `track`: pip install"):
        Records(tmp_path, 0, tensorboard=True)
    assert lines(tmp_path) == [{"step": 3}]
    assert not (tmp_path / "tensorboard").exists()
