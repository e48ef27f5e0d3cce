"""Motion: the poses of an animation, filled and smoothed over time."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deformgan.parts import unit_length
from deformgan.pose import Pose, Skeleton

BRIDGED = 6  # frames: the longest gap of a joint that is interpolated
SMOOTHING = 5  # frames per fit while a joint moves
RESTING = 17  # frames per fit while a joint rests
NEARBY = 9  # frames over which it is decided whether a joint rests
TREMBLE = 0.02  # jitter of detectors, in the pose's unit of length: less movement is rest
MOST_SMOOTH = 10.0
FOLLOWING = 25  # frames per fit of the person's path


def steady(
    frames: Pose, skeleton: Skeleton, strength: float = 1.0, keep_time: bool = False
) -> Pose:
    """Fill missing joints and remove jitter from the poses of an animation.

    Frames in which nobody was detected are dropped. A joint that is missing for a short time is
    interpolated linearly between its neighbours in time; if missing for longer, it keeps its last
    position. Frames that still lack the torso (at the start) are dropped too. Then every joint is
    smoothed, see `hold_still`.

    Args:
        frames: The poses as detected.
        skeleton: Skeleton of the poses.
        strength: Amplitude of the jitter to remove, relative to that of detectors; 0 disables
            smoothing.
        keep_time: Keep the number of frames: one without a usable pose holds the last one before
            it, or at the start the first one after it.

    Returns:
        The usable frames, possibly none.
    """
    seen = frames if keep_time else frames[frames.visible.any(dim=1)]
    filled = bridge(seen, BRIDGED).carry_over()
    rows = filled.usable(skeleton).nonzero()[:, 0]
    if keep_time and len(rows):  # joints are carried over, so all frames after the first have one
        rows = torch.arange(len(filled)).clamp(min=int(rows[0]))
    usable = filled[rows]
    if strength == 0 or not len(usable):
        return usable
    # A joint that first appears after the first frame counts as resting before.
    backwards = list(range(len(usable)))[::-1]
    everywhere = usable[backwards].carry_over()[backwards]
    tremble = strength * TREMBLE * unit_length(usable, skeleton).median().item()
    return Pose(hold_still(everywhere.joints, tremble), usable.visible)


def bridge(frames: Pose, longest: int) -> Pose:
    """Fill short gaps by linear interpolation between the detections before and after.

    Args:
        frames: The frames of one animation.
        longest: Longest gap to fill, in frames; longer gaps are kept.
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
    """Smooth joints strongly where they rest and weakly where they move.

    A mean over many frames removes most jitter, but cuts off the extremes of every swing; a fit to
    few frames does neither. Where the two differ by less than the jitter (root mean square over
    nearby frames), the joint counts as resting and the mean is used; where they differ by more, it
    counts as moving and the fit is used; at exactly the jitter, their average. Both windows are
    centred, so the result does not lag.

    Args:
        joints: In pixels.
        tremble: Amplitude of the jitter, in pixels.
    """
    moving, resting = smooth(joints, SMOOTHING, degree=2), smooth(joints, RESTING, degree=1)
    apart = moving - resting
    squares = apart.square().sum(dim=2).T[:, None]
    nearby = F.avg_pool1d(squares, NEARBY, 1, NEARBY // 2, count_include_pad=False)[:, 0].T
    share = torch.sigmoid(4 * (nearby / tremble**2).clamp(min=1e-12).log())
    return resting + share[..., None] * apart


def follow(frames: Pose, skeleton: Skeleton) -> Pose:
    """Shift every frame so that the person stays in place, as if the camera followed.

    Args:
        frames: In pixels of a photo that the person may cross; all with a torso.
        skeleton: Skeleton of the poses.
    """
    path = frames.joints[:, skeleton.mandatory_joints].mean(dim=1, keepdim=True)
    return Pose(
        frames.joints - smooth(path, FOLLOWING, degree=1) + path.mean(dim=0), frames.visible
    )


def smooth(
    values: Float[Tensor, "frames joints 2"], window: int, degree: int
) -> Float[Tensor, "frames joints 2"]:
    """Smooth values over time with a local polynomial fit.

    Args:
        values: One per frame.
        window: Frames per fit, odd. The first and the last window also serve the frames at both
            ends.
        degree: Degree of the polynomials. An animation with no more frames than this is returned
            unchanged.

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
