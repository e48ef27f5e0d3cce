"""The poses of an animation: read frame by frame, then made steady.

This imports torch, so commands import it inside their functions.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deformgan.cli.inputs import Posed, check_detectable, open_detector
from deformgan.cli.photos import Photos, natural_order
from deformgan.cli.progress import progress
from deformgan.cli.video import VIDEO_SUFFIXES
from deformgan.detectors import find_person
from deformgan.errors import InputError
from deformgan.framing import PHOTO_SUFFIXES
from deformgan.parts import unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats import read_annotations, read_single
from deformgan.skeletons.openpose18 import OPENPOSE18

BRIDGED = 6  # frames: a joint that is missed for no longer moves on in between
SMOOTHING = 5  # frames that a joint's place is fitted over while it moves
RESTING = 17  # ... and while it rests
NEARBY = 9  # frames that say together whether it rests
TREMBLE = 0.02  # of the pose's unit of length: what moves less, rests
MOST_SMOOTH = 10.0
FOLLOWING = 25  # frames that the person's path is fitted over


def read_frames(frames: Path, detector: str, skeleton: Skeleton = OPENPOSE18) -> Posed:
    """Finds the poses of an animation, as they were seen.

    Args:
        frames: A video, a pose file, or a folder of photos or of pose files, one per frame, taken
            in the order of their names (numbers in them count as numbers).
        detector: What `--detector` names; loaded for photos and videos.
        skeleton: Of the poses.

    Returns:
        One pose per frame; where nobody was found, no joint is visible.
    """
    if frames.suffix.lower() in VIDEO_SUFFIXES and frames.is_file():
        check_detectable(skeleton, frames, "pose files")
        return _detect_frames(Photos(frames), detector, skeleton)
    if frames.is_file():
        annotations = read_annotations(frames, skeleton)
        if not annotations.names:
            raise InputError(f"{frames} holds no pose.")
        poses = [annotations[name] for name in annotations.rows]
        return Posed(Pose.cat(poses), annotations.size)
    if not frames.is_dir():
        raise InputError(
            f"The frames {frames} do not exist; give a folder, a video or a pose file."
        )
    files = sorted((file for file in frames.iterdir() if file.is_file()), key=natural_order)
    if any(file.suffix.lower() in PHOTO_SUFFIXES for file in files):
        check_detectable(skeleton, frames, "pose files")
        return _detect_frames(Photos(frames), detector, skeleton)
    pose_files = [file for file in files if file.suffix.lower() == ".json"]
    if not pose_files:
        raise InputError(
            f"The folder {frames} holds neither photos ({', '.join(PHOTO_SUFFIXES)}) nor pose "
            "files (.json)."
        )
    singles = [_read_frame(file, skeleton) for file in pose_files]
    return Posed(Pose.cat([single.pose for single in singles]), singles[0].size)


def _read_frame(file: Path, skeleton: Skeleton) -> Posed:
    annotations = read_annotations(file, skeleton)
    if not annotations.names:  # so OpenPose says that it found nobody
        return Posed(_nobody(skeleton), annotations.size)
    return Posed(read_single(file, skeleton=skeleton).pose, annotations.size)


def _detect_frames(photos: Photos, detector: str, skeleton: Skeleton) -> Posed:
    finder = open_detector(detector)
    poses, size = [], None
    for frame in progress(photos, "poses", len(photos)):
        photo = frame.read()
        size = size or (photo.shape[0], photo.shape[1])
        if photo.shape[:2] != size:
            raise InputError(
                f"{frame.name} is {photo.shape[1]}x{photo.shape[0]} pixels and the frames before "
                f"it are {size[1]}x{size[0]}; all frames must have one size."
            )
        found = find_person(finder, photo)
        poses.append(_nobody(skeleton) if found is None else found.pose)
    return Posed(Pose.cat(poses), size)


def _nobody(skeleton: Skeleton) -> Pose:
    joints = len(skeleton.joints)
    return Pose(torch.zeros(1, joints, 2), torch.zeros(1, joints, dtype=torch.bool))


def steady(frames: Pose, skeleton: Skeleton, strength: float = 1.0) -> Pose:
    """Fill what single frames miss and take the tremble out of what they have.

    Frames in which nobody was seen are dropped. A joint that is missing for a short time moves
    straight on to where it is seen again, else it stays where it was last seen; frames that still
    lack the torso (at the start) are dropped too. Then every joint is smoothed, see `hold_still`.

    Args:
        frames: The poses as they were seen.
        skeleton: Of the poses.
        strength: How large a tremble is taken out, 1 as detectors make it; 0 leaves joints where
            they were seen.

    Returns:
        The usable frames, none if there are none.
    """
    somebody = frames[frames.visible.any(dim=1)]
    filled = bridge(somebody, BRIDGED).carry_over()
    usable = filled[filled.usable(skeleton)]
    if strength == 0 or not len(usable):
        return usable
    # A joint that appears later than the first frame counts as at rest before.
    backwards = list(range(len(usable)))[::-1]
    everywhere = usable[backwards].carry_over()[backwards]
    tremble = strength * TREMBLE * unit_length(usable, skeleton).median().item()
    return Pose(hold_still(everywhere.joints, tremble), usable.visible)


def bridge(frames: Pose, longest: int) -> Pose:
    """Fill short gaps: a joint moves straight from where it was seen to where it is seen again.

    Args:
        frames: The frames of one animation.
        longest: Frames of a gap that is filled; longer ones stay.
    """
    count = len(frames)
    times = torch.arange(count, device=frames.joints.device)[:, None]
    before = times.where(frames.visible, -1).cummax(dim=0).values
    after = times.where(frames.visible, count).flip(0).cummin(dim=0).values.flip(0)
    inside = (before >= 0) & (after < count) & (after - before <= longest + 1)

    def at(rows: Tensor) -> Tensor:
        rows = rows.clamp(0, max(count - 1, 0))[..., None].expand_as(frames.joints)
        return frames.joints.gather(0, rows)

    way = (times - before) / (after - before).clamp(min=1)
    joints = torch.lerp(at(before), at(after), way[..., None].to(frames.joints.dtype))
    joints = joints.where((inside & ~frames.visible)[..., None], frames.joints)
    return Pose(joints, frames.visible | inside)


def hold_still(
    joints: Float[Tensor, "frames joints 2"], tremble: float
) -> Float[Tensor, "frames joints 2"]:
    """Smooth joints: hard where they rest, and hardly where they move.

    A mean over many frames takes most of a tremble out, and cuts the ends off every swing; a fit to
    few does neither. Where the two differ by less than a tremble (root mean square over frames
    nearby), the joint rests and the former holds; where they differ by more, it moves and the
    latter does; at a tremble, their mean. Both look as far ahead as back, so nothing lags.

    Args:
        joints: In pixels.
        tremble: In pixels.
    """
    moving, resting = smooth(joints, SMOOTHING, degree=2), smooth(joints, RESTING, degree=1)
    apart = moving - resting
    squares = apart.square().sum(dim=2).T[:, None]
    nearby = F.avg_pool1d(squares, NEARBY, 1, NEARBY // 2, count_include_pad=False)[:, 0].T
    share = torch.sigmoid(4 * (nearby / tremble**2).clamp(min=1e-12).log())
    return resting + share[..., None] * apart


def follow(frames: Pose, skeleton: Skeleton) -> Pose:
    """Moves every frame so that the person walks in place, as if a camera went along.

    Args:
        frames: In pixels of a photo that the person may cross; all with a torso.
        skeleton: Of the poses.
    """
    path = frames.joints[:, skeleton.mandatory_joints].mean(dim=1, keepdim=True)
    return Pose(
        frames.joints - smooth(path, FOLLOWING, degree=1) + path.mean(dim=0), frames.visible
    )


def smooth(
    values: Float[Tensor, "frames joints 2"], window: int, degree: int
) -> Float[Tensor, "frames joints 2"]:
    """Replaces every value by that of a polynomial fitted to its neighbours in time.

    Args:
        values: One per frame.
        window: How many frames each fit takes, odd. At both ends the first (last) window is used
            for all its frames.
        degree: Of the polynomials. An animation with no more frames than that is left alone.

    Source:
        Savitzky and Golay, "Smoothing and Differentiation of Data", 1964.
    """
    count = len(values)
    window = min(window, count)
    if window <= degree:
        return values
    frames = torch.arange(count)
    first = (frames - window // 2).clamp(0, count - window)
    powers = torch.arange(degree + 1)
    times = torch.arange(window, dtype=torch.float64)[:, None] ** powers
    fit = torch.linalg.pinv(times)  # (degree + 1, window)
    weights = (frames - first).double()[:, None] ** powers @ fit  # (frames, window)
    windows = values.double()[first[:, None] + torch.arange(window)]  # (frames, window, joints, 2)
    return torch.einsum("fw,fwjc->fjc", weights, windows).to(values.dtype)
