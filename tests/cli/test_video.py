"""Videos: what is written is read again, by our reader and by PyAV's own."""

import sys

import numpy as np
import pytest

from deformgan.cli.pictures import write_video
from deformgan.errors import InputError
from deformgan.video import Video

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
