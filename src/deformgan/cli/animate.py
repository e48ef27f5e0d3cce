"""`deformgan animate`: a photo and a sequence of poses in, an animation out."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from deformgan.inputs import PosedPhoto

MOVING_SUFFIXES = (".gif", ".webp", ".mp4")
_FPS = 12.0  # of motion without a clock of its own


def animate(
    source: Path,
    frames: Path,
    /,
    *,
    out: Path,
    fps: float | None = None,
    sound: bool = True,
    smooth: float = 1.0,
    weights: str = "pedestrian",
    detector: str = "pose18",
    person: int = 0,
    source_pose: str | None = None,
    min_score: float | None = None,
    skeleton: str | None = None,
    size: str | None = None,
    background: str | None = None,
    noise: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: Literal["float32", "bfloat16", "auto"] = "float32",
    metadata: bool = True,
    json: Path | None = None,
) -> None:
    """Animate the person in a photo with a sequence of poses.

    A joint that is missing in a few frames is interpolated; one that is missing for longer stays
    where it was last seen. All joints are smoothed over time. The crop has the same size in all
    frames and follows the person. A video keeps its speed and, written as .mp4, its sound: frames
    without a person hold the pose before them. Of other motion, such frames are dropped.

    Args:
        source: Photo of the person, of any size.
        frames: The motion: a video (needs the extra `video`, as do the next two); - for a video on
            standard input; camera:0 for a camera, until Ctrl-C; a folder of photos or of pose
            files, one per frame and sorted by name; or a pose file with several poses.
        out: Where to write the animation: .gif, .webp or .mp4 (needs the extra `video`); its folder
            must exist.
        fps: Frames per second, by default those of the video, 12 for other motion. Above 50, a GIF
            leaves out frames.
        sound: Copy the sound of the video into an .mp4, unless --fps changes the speed.
        smooth: Strength of the smoothing, from 0 to 10: 1 removes the jitter of detectors and keeps
            the motion, 0 uses the joints as detected.
        weights: Name of bundled weights or a .safetensors file.
        detector: Pose detector for photos: pose18 (bundled), or another one, usually as
            NAME:PATH (movenet, blazepose, simcc, vitpose, keypoint_rcnn).
        person: Index of the person in the source photo, by size: 0 is the largest. In frames it is
            always the largest.
        source_pose: Pose of the source person, as a pose file or FILE:NAME; by default it is
            detected.
        min_score: Least score of a joint in pose files of other tools; by default that of the
            format (0.3, in OpenPose's more than 0).
        skeleton: Skeleton of the poses, a built-in name or a JSON file; by default that of the
            weights.
        size: Size of the frames in pixels, HEIGHTxWIDTH or the height alone; by default that of the
            person and surroundings in the source photo, up to 1,024 rows. Weights without layers
            support only the model's size.
        background: Background: paint (a scene painted by the weights), source (the source photo's
            scene without its person), none (transparent; .webp only), a colour as #rrggbb, or a
            photo. A photo of the frames' size is cropped like them; of any other, the centre is
            used. By default paint if the source photo has the model's size, otherwise source.
            Weights without layers support only paint; background-conditioned weights support only a
            photo.
        noise: Keep the generator's dropout active.
        seed: Random seed for dropout noise, which is the same in all frames.
        device: Device to compute on: auto (a GPU if there is one), cpu, cuda or cuda:N.
        precision: Precision of the convolutions: float32; bfloat16, faster on devices with units
            for it, with pictures that differ by 0.1 grey levels on average; or auto, bfloat16
            where the device has such units.
        metadata: Write into the file's metadata that it is generated, by which version and weights,
            and the terms of the weights.
        json: Where to write the settings and frame counts as JSON.
    """
    import time

    from deformgan.cli.animations import check_fps, most_fps, write_animation
    from deformgan.cli.arguments import read_size
    from deformgan.cli.progress import progress
    from deformgan.detectors import check_detector
    from deformgan.errors import InputError
    from deformgan.files import write_json
    from deformgan.inputs import read_frames, read_source
    from deformgan.motion import MOST_SMOOTH
    from deformgan.predict import PoseTransfer
    from deformgan.skeletons import check_skeleton

    started = time.perf_counter()
    _check_output(out, json, background)
    if fps is not None:
        check_fps(fps)
    if not 0 <= smooth <= MOST_SMOOTH:
        raise InputError(f"--smooth is {smooth:g}; it must be from 0 to {MOST_SMOOTH:g}.")
    asked = read_size(size)
    check_detector(detector)
    transfer = PoseTransfer.from_pretrained(weights, device, precision=precision)
    transfer.staging.check_size(asked)
    joints = check_skeleton(skeleton, transfer.skeleton)
    person_photo = read_source(source, source_pose, detector, person, joints, min_score=min_score)
    seen = read_frames(frames, detector, joints, progress, min_score=min_score)
    usable = transfer.stabilize(seen, smooth)
    dropped = len(seen.pose) - len(usable.pose)
    nobody = int((~seen.pose.visible.any(dim=1)).sum())
    speed = fps or usable.fps or _FPS
    heard = frames if sound and frames.is_file() and speed == usable.fps else None
    usable, speed = _slow_down(usable, speed, most_fps(out))
    count = len(usable.pose)
    noise_seed = seed if noise else None
    painted = transfer.generate(
        [person_photo], usable, size=asked, background=background, noise_seed=noise_seed
    )
    shape: list[int] = []
    pictures = _measured(progress(painted, "frames", count), shape)
    write_animation(out, pictures, speed, heard, transfer.metadata if metadata else None)
    seconds = time.perf_counter() - started
    without = f"{dropped} dropped" if seen.fps is None else f"{nobody} without a person"
    print(f"{out} ({count} frames at {speed:.4g} per second, {without}, {seconds:.1f} s)")
    if json is not None:
        report = {
            "source": str(source),
            "frames": str(frames),
            "out": str(out),
            "weights": weights,
            "background": background,
            "smooth": smooth,
            "noise_seed": noise_seed,
            "size": shape,
            "fps": speed,
            "num_frames": count,
            "num_dropped": dropped,
            "num_without_person": nobody,
            "seconds": seconds,
        }
        write_json(json, report)


def _check_output(out: Path, json: Path | None, background: str | None) -> None:
    from deformgan.cli.outputs import output_file
    from deformgan.cli.pictures import check_alpha, check_suffix
    from deformgan.video import open_av

    check_suffix(output_file(out), MOVING_SUFFIXES)
    if out.suffix.lower() == ".mp4":
        open_av()
    if json is not None:
        output_file(json)
    if background == "none":
        check_alpha(out, MOVING_SUFFIXES)


def _measured(pictures: Iterable[Any], shape: list[int]) -> Iterator[Any]:
    """Pass pictures on, and note the height and width of the first."""
    for picture in pictures:
        shape[:] = picture.shape[:2]
        yield picture


def _slow_down(frames: "PosedPhoto", fps: float, most: float) -> tuple["PosedPhoto", float]:
    """Leave out frames if a format cannot show as many per second."""
    import math
    from dataclasses import replace

    step = math.ceil(fps / most - 1e-6)
    return replace(frames, pose=frames.pose[::step]), fps / step
