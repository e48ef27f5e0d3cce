"""`deformgan generate`: a person's photos and one pose in, one picture out."""

from pathlib import Path
from typing import Annotated

import tyro

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def generate(
    files: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="SOURCE [SOURCE ...] POSE", help_behavior_hint="(required)"),
    ],
    /,
    *,
    out: Path,
    weights: str | None = None,
    detector: str = "pose18",
    person: int = 0,
    pose_person: int = 0,
    source_pose: str | None = None,
    skeleton: str | None = None,
    size: str | None = None,
    background: str | None = None,
    paste: bool = False,
    noise: bool = False,
    seed: int = 0,
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Gives the photo of a person in another pose.

    The result shows the source person in the framing of the pose photo, at the size that is asked
    for, by default the person's own in the source photo. A photo of exactly the model's size is
    taken as it is; in any other the person is found and framed first.

    Args:
        files: First the photo of the person, of any size; or several, front and back say, for
            weights with layers: each surface is copied from the photo that shows it, and only what
            none shows is painted. Scene and place are then those of the first. Last the pose to
            take: a photo of any size, a pose file with one pose (annotation CSV, our JSON, OpenPose
            or COCO JSON), or FILE:NAME for one of several in it.
        out: The picture to write; its folder must exist.
        weights: Name of bundled weights or a .safetensors file; by default pedestrian.
        detector: What finds people and their poses in photos: pose18, which comes with the package,
            or another one, mostly as NAME:PATH (movenet, blazepose, simcc, vitpose,
            keypoint_rcnn).
        person: Which of several people in the source photo, by size: 0 is the largest. Of several
            source photos it is always the largest.
        pose_person: The same for the pose.
        source_pose: Pose of the source person, as a pose file or FILE:NAME, where there is a single
            source photo; otherwise it is detected.
        skeleton: Skeleton of the poses, a name or a JSON file; by default that of the weights.
        size: Size of the picture, HEIGHTxWIDTH in pixels, or the height alone; by default that of
            the person's surroundings in the source photo, up to 1,024 rows. Weights without layers
            paint the model's size only.
        background: What is behind the person: paint, the scene as the weights paint it; source, the
            source photo's own scene with its person taken out; none, nothing: a cut-out with
            transparency (.png, .webp); a colour as #rrggbb; or a photo. A photo of the pose
            photo's size is framed as that is; of any other the middle is shown. By default paint
            for a source photo of the model's size, and source for any other. Weights without layers
            know paint alone; for a photo they are by default pedestrian-background.
        paste: Put the person into the whole photo: into the pose photo, in the place of the person
            there, or, where POSE is a file of poses, into the source photo, where they stood. The
            result has that photo's size.
        noise: Leave the generator's dropout on.
        seed: What the noise is drawn from.
        device: Where to compute: cpu, cuda or cuda:N.
        json: Where to write what was done, and the joints, as JSON.
    """
    import time

    from deformgan.cli.inputs import (
        check_device,
        check_skeleton,
        choose_weights,
        describe_pose,
        read_size,
        read_source,
        read_target,
    )
    from deformgan.cli.outputs import output_file, write_json
    from deformgan.cli.pictures import check_alpha, check_suffix, write_picture
    from deformgan.detectors import check_detector
    from deformgan.errors import InputError
    from deformgan.predict import PoseTransfer

    started = time.perf_counter()
    if len(files) < 2:
        raise InputError(
            f"Only {files[0] if files else 'nothing'} is given; give one source photo or more, and "
            "last a POSE."
        )
    *sources, pose = files
    for flag, given in (("--source-pose", source_pose), ("--person", person or None)):
        if len(sources) > 1 and given is not None:
            raise InputError(
                f"{flag} {given} belongs to a single source photo, but {len(sources)} are given."
            )
    check_suffix(output_file(out), PICTURE_SUFFIXES)
    if json is not None:
        output_file(json)
    if background == "none":
        check_alpha(out, PICTURE_SUFFIXES)
    for flag, given in (("--size", size), ("--background", background)):
        if paste and given is not None:
            raise InputError(
                f"--paste keeps the photo's own size and scene: leave {flag} {given} out."
            )
    asked = read_size(size)
    check_detector(detector)
    weights = choose_weights(weights, background)
    transfer = PoseTransfer.load(weights, check_device(device))
    transfer.staging.check_size(asked)
    joints = check_skeleton(skeleton, transfer.generator.skeleton)
    if len(sources) > 1 and not transfer.layered:
        raise InputError(
            f"{len(sources)} source photos are given, but the weights {weights} paint from one: "
            "several need weights with layers."
        )
    read = [read_source(Path(one), source_pose, detector, person, joints) for one in sources]
    photos, source_poses = [photo for photo, _ in read], [found for _, found in read]
    target = read_target(pose, detector, pose_person, joints)
    poses, noise_seed = (source_poses, target.pose), seed if noise else None
    if paste:
        picture = transfer.paste(photos, *poses, target.photo, noise_seed, target.size)
    else:
        picture = transfer(photos, *poses, target.size, noise_seed, background, asked)
    write_picture(out, picture)
    seconds = time.perf_counter() - started
    print(f"{out} ({picture.shape[1]}x{picture.shape[0]}, {seconds:.1f} s)")
    if json is not None:
        one = len(sources) == 1
        described = [describe_pose(found, joints) for found in source_poses]
        report = {
            "source": sources[0] if one else sources,
            "pose": pose,
            "out": str(out),
            "weights": weights,
            "background": background,
            "paste": paste,
            "noise_seed": seed if noise else None,
            "size": list(picture.shape[:2]),
            "source_joints": described[0] if one else described,
            "target_joints": describe_pose(target.pose, joints),
            "seconds": seconds,
        }
        write_json(json, report)
