"""`deformgan generate`: one photo and one pose in, one picture out."""

from pathlib import Path

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def generate(
    source: Path,
    pose: str,
    /,
    *,
    out: Path,
    weights: str | None = None,
    detector: str = "pose18",
    person: int = 0,
    pose_person: int = 0,
    source_pose: str | None = None,
    skeleton: str | None = None,
    background: Path | None = None,
    noise: bool = False,
    seed: int = 0,
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Gives the photo of a person in another pose.

    The result shows the source person at the model's resolution in the framing of the pose photo.
    A photo of exactly the model's size is taken as it is; in any other the person is found and
    framed first.

    Args:
        source: Photo of the person, of any size.
        pose: The pose to take: a photo of any size, a pose file with one pose (annotation CSV, our
            JSON, OpenPose or COCO JSON), or FILE:NAME for one of several in it.
        out: The picture to write; its folder must exist.
        weights: Name of bundled weights or a .safetensors file; by default pedestrian, and
            pedestrian-background where a background is given.
        detector: What finds people and their poses in photos: pose18, which comes with the package,
            or another one, mostly as NAME:PATH (movenet, blazepose, simcc, vitpose,
            keypoint_rcnn).
        person: Which of several people in the source photo, by size: 0 is the largest.
        pose_person: The same for the pose.
        source_pose: Pose of the source person, as a pose file or FILE:NAME; otherwise it is
            detected.
        skeleton: Skeleton of the poses, a name or a JSON file; by default that of the weights.
        background: Photo of the scene to put the person in. One of the pose photo's size is framed
            as that is; of any other the middle is shown.
        noise: Leave the generator's dropout on.
        seed: What the noise is drawn from.
        device: Where to compute: cpu, cuda or cuda:N.
        json: Where to write what was done, and the joints, as JSON.
    """
    import time

    from deformgan.cli.inputs import (
        BACKGROUND_WEIGHTS,
        WEIGHTS,
        check_device,
        check_skeleton,
        describe_pose,
        read_source,
        read_target,
    )
    from deformgan.cli.outputs import output_file, write_json
    from deformgan.cli.pictures import check_suffix, write_picture
    from deformgan.detectors import check_detector
    from deformgan.framing import read_photo
    from deformgan.predict import PoseTransfer

    started = time.perf_counter()
    check_suffix(output_file(out), PICTURE_SUFFIXES)
    if json is not None:
        output_file(json)
    check_detector(detector)
    weights = weights or (WEIGHTS if background is None else BACKGROUND_WEIGHTS)
    transfer = PoseTransfer.load(weights, check_device(device))
    scene = None if background is None else read_photo(background)
    joints = check_skeleton(skeleton, transfer.generator.skeleton)
    photo, source_joints = read_source(source, source_pose, detector, person, joints)
    target = read_target(pose, detector, pose_person, joints)
    picture = transfer(
        photo, source_joints, target.pose, target.size, seed if noise else None, scene
    )
    write_picture(out, picture)
    seconds = time.perf_counter() - started
    print(f"{out} ({picture.shape[1]}x{picture.shape[0]}, {seconds:.1f} s)")
    if json is not None:
        report = {
            "source": str(source),
            "pose": pose,
            "out": str(out),
            "weights": weights,
            "background": None if background is None else str(background),
            "noise_seed": seed if noise else None,
            "size": list(transfer.size),
            "source_joints": describe_pose(source_joints, joints),
            "target_joints": describe_pose(target.pose, joints),
            "seconds": seconds,
        }
        write_json(json, report)
