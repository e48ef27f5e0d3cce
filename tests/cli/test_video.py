"""Videos: what is written is read again, by our reader and by PyAV's own."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from deformgan import inputs, video
from deformgan.cli.animations import write_animation, write_video
from deformgan.errors import InputError
from deformgan.inputs import read_frames
from deformgan.picture_metadata import PictureMetadata
from deformgan.video import LiveVideo, Video, turn

av = pytest.importorskip("av", reason="needs the extra video (PyAV)")


def shades(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    """Return pictures of one colour each; the top left quarter is black."""
    pictures = []
    for number in range(count):
        picture = np.full((height, width, 3), 60 + 10 * (number % 16), np.uint8)
        picture[: height // 2, : width // 2] = 0
        pictures.append(picture)
    return pictures


def lay_on_its_side(path, degrees):
    """Write into an MP4 that the camera was turned clockwise, as phones do."""
    data = bytearray(path.read_bytes())
    # Big-endian matrix of the track header, 40 bytes behind the version byte of `tkhd`.
    start = data.index(b"tkhd") + 4 + 40
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = [cosine, sine, 0, -sine, cosine, 0, 0, 0, 0x4000]
    values = [value << 16 for value in matrix]
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(data)


def test_frames_come_back_in_order_with_their_names_and_nearly_their_colours(tmp_path):
    pictures = shades(14)
    write_video(tmp_path / "walk.mp4", pictures, fps=12.5)
    video = Video(tmp_path / "walk.mp4")
    frames = list(video)
    assert len(video) == len(frames) == 14
    assert video.fps == pytest.approx(12.5)
    assert [frame.name for frame in frames][::13] == ["walk_000000", "walk_000013"]
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.picture().dtype == np.uint8
        assert np.abs(frame.picture().astype(int) - picture).mean() < 6


def test_what_is_written_is_h264_that_browsers_play(tmp_path):
    write_video(tmp_path / "a.mp4", shades(3), fps=30.0)
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 30
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_states_that_it_is_generated(tmp_path):
    metadata = PictureMetadata("w", "for research")
    write_video(tmp_path / "a.mp4", shades(3), fps=30.0, metadata=metadata)
    write_video(tmp_path / "b.mp4", shades(3), fps=30.0, metadata=metadata)
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert film.metadata["comment"] == metadata.text
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_an_odd_size_gains_a_row_and_a_column_like_their_neighbours(tmp_path):
    write_video(tmp_path / "a.mp4", shades(2, height=31, width=47), fps=10.0)
    picture = next(iter(Video(tmp_path / "a.mp4"))).picture()
    assert picture.shape == (32, 48, 3)
    assert np.abs(picture[31, 30:].astype(int) - picture[29, 30:]).max() < 16


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_video_from_a_turned_camera_is_read_upright(tmp_path, degrees):
    path = tmp_path / "a.mp4"
    write_video(path, shades(2), fps=10.0)
    lying = next(iter(Video(path))).picture()
    lay_on_its_side(path, degrees)
    upright = next(iter(Video(path))).picture()
    # A player turns the picture clockwise by that angle.
    expected = np.rot90(lying, -degrees // 90)
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).max() == 0


def find_unreferenced(path, data):
    """Find a packet in the middle of an H.264 MP4 that holds a frame no other one is decoded from.

    Returns:
        First byte of the packet, its size, and the number of its frame in display order.
    """
    with av.open(str(path)) as film:
        packets = [packet for packet in film.demux(video=0) if packet.size]
        shown = sorted(packet.pts for packet in packets)
        for packet in packets[len(packets) // 3 :]:
            # Four bytes of length, then the header: bits 5 and 6 are 0 if nothing refers to it.
            if not data[packet.pos + 4] & 0x60:
                return packet.pos, packet.size, shown.index(packet.pts)
    raise AssertionError("all frames are referenced")


def test_a_damaged_piece_is_left_out_and_the_rest_is_read(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, shades(40, height=96, width=96), fps=10.0)
    whole = [frame.picture() for frame in Video(path)]
    assert len(whole) == 40
    data = bytearray(path.read_bytes())
    start, size, damaged = find_unreferenced(path, data)
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    read = [frame.picture() for frame in Video(path)]
    np.testing.assert_array_equal(read, whole[:damaged] + whole[damaged + 1 :])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.mp4", b"no video at all", "cannot be read as a video"),
        ("a.mp4", b"", "cannot be read as a video"),
        ("a.gif", b"GIF89a", "cannot be read as a video"),
        ("a.txt", b"hello", "is not a video: its name must end in .mp4"),
        ("a.mp4", None, "does not exist"),
    ],
)
def test_what_is_no_video_is_refused_in_one_sentence(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(Video(tmp_path / name))


def test_a_file_with_sound_only_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 16000
        film.mux(stream.encode(sound))
        film.mux(stream.encode())
    with pytest.raises(InputError, match="cannot be read as a video"):
        Video(path)


def test_without_the_library_the_error_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'needs? the extra "video"'):
        Video(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r'needs? the extra "video"'):
        write_video(tmp_path / "b.mp4", shades(1), fps=10.0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_failure_while_painting_leaves_no_file(tmp_path):
    def fail():
        yield shades(1)[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_video(tmp_path / "a.mp4", fail(), fps=10.0)
    assert not list(tmp_path.iterdir())


# Display matrices.


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_display_matrices_turn_and_mirror_as_they_say(turns, mirrored):
    picture = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    # A quarter turn clockwise takes (x, y) to (-y, x); before it, a mirror takes x to -x.
    linear = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), turns)
    linear = linear @ np.diag([-1 if mirrored else 1, 1])
    (a, c), (b, d) = linear * 65536
    matrix = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32)
    expected = np.rot90(picture[:, ::-1] if mirrored else picture, -turns)
    np.testing.assert_array_equal(turn(picture, matrix), expected)


def test_a_matrix_that_is_no_right_angle_takes_the_nearest():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    angle = np.radians(80)
    values = [np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0, 0, 0, 16384]
    turned = turn(picture, np.array([65536 * value for value in values], np.int32))
    np.testing.assert_array_equal(turned, np.rot90(picture, -1))


# Sound.


def with_sound(path, codec, seconds=2.0, rate=24000, fps=10):
    """Write a video with a tone, in a container by the file's suffix."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", fps)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        heard = film.add_stream(codec, rate=rate, layout="mono")
        for picture in shades(round(seconds * fps)):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())
        times = np.arange(round(seconds * rate)) / rate
        tone = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
        for start in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], "s16", "mono")
            frame.sample_rate, frame.pts = rate, start
            film.mux(heard.encode(frame))
        film.mux(heard.encode())


def sound_of(path):
    """Return the codec of a video's sound, its length in seconds, and its loudest frequency."""
    with av.open(str(path)) as film:
        if not film.streams.audio:
            return None
        stream = film.streams.audio[0]
        resampler = av.AudioResampler("flt", "mono", 8000)
        parts = [
            part.to_ndarray()[0]
            for frame in film.decode(stream)
            for part in resampler.resample(frame)
        ]
        samples = np.concatenate(parts)
        spectrum = np.abs(np.fft.rfft(samples))
        loudest = spectrum.argmax() * 8000 / len(samples)
        return stream.codec_context.codec.canonical_name, len(samples) / 8000, loudest


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [("a.mp4", "aac", "aac"), ("a.mkv", "pcm_s16le", "aac"), ("a.mkv", "libmp3lame", "mp3")],
)
def test_sound_is_copied_or_converted(tmp_path, name, codec, kept):
    with_sound(tmp_path / name, codec)
    write_video(tmp_path / "out.mp4", shades(20), 10.0, tmp_path / name)
    heard = sound_of(tmp_path / "out.mp4")
    assert heard is not None
    assert heard[0] == kept
    assert heard[1] == pytest.approx(2.0, abs=0.15)
    assert heard[2] == pytest.approx(440, abs=5)
    assert len(Video(tmp_path / "out.mp4")) == 20


def test_sound_ends_with_the_pictures(tmp_path):
    with_sound(tmp_path / "a.mp4", "aac", seconds=4.0)
    write_video(tmp_path / "out.mp4", shades(10), 10.0, tmp_path / "a.mp4")
    heard = sound_of(tmp_path / "out.mp4")
    assert heard is not None
    assert heard[1] == pytest.approx(1.0, abs=0.15)


def test_a_video_without_sound_stays_without(tmp_path):
    write_video(tmp_path / "a.mp4", shades(4), 10.0)
    write_video(tmp_path / "b.mp4", shades(4), 10.0, tmp_path / "a.mp4")
    assert sound_of(tmp_path / "b.mp4") is None


# Delays.


@pytest.mark.parametrize("fps", [12.0, 24.0, 30.0, 29.97, 48.0, 7.0])
@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_lasts_as_long_as_its_frames(tmp_path, suffix, fps):
    path = tmp_path / f"a{suffix}"
    write_animation(path, iter(shades(30)), fps)
    delays = []
    with Image.open(path) as image:
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            image.load()
            delays.append(image.info["duration"])
    assert sum(delays) == pytest.approx(30 / fps * 1000, abs=10 if suffix == ".gif" else 1)
    assert max(delays) - min(delays) <= (10 if suffix == ".gif" else 1)
    assert min(delays) >= (20 if suffix == ".gif" else 1)


# Pipes and cameras.


def test_frames_of_a_pipe_are_those_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    with_sound(path, "aac", seconds=1.5)
    with path.open("rb") as stream:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Unseekable(stream)))
        live = LiveVideo("-")
        read = [frame.picture() for frame in live]
    np.testing.assert_array_equal(read, [frame.picture() for frame in Video(path)])
    assert live.fps == pytest.approx(10.0)


class Unseekable:
    """A stream as a pipe is one."""

    def __init__(self, stream):
        self.read = stream.read


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("camera:93", "Camera 93 cannot be read as a video"),
        ("-", "Standard input cannot be read as a video"),
        ("camera", "is neither"),
    ],
)
def test_what_cannot_be_read_live_is_refused(monkeypatch, name, said):
    empty = SimpleNamespace(read=lambda count: b"")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=empty))
    with pytest.raises(InputError, match=said):
        list(LiveVideo(name))


def test_a_camera_is_read_until_ctrl_c(monkeypatch, tmp_path):
    path = tmp_path / "a.mkv"
    with_sound(path, "aac", seconds=1.0)
    monkeypatch.setattr(video, "_camera", lambda number: (str(path), "matroska"))
    seen = []

    def find(detector, photo):
        if len(seen) == 4:
            raise KeyboardInterrupt
        seen.append(photo)

    monkeypatch.setattr(inputs, "find_person", find)
    found = read_frames("camera:0")
    assert len(found.pose) == 4
    assert found.size == (32, 48)
    assert found.fps == pytest.approx(10.0)
