"""`deformgan generate`: photos and poses in, pictures out."""

from pathlib import Path
from typing import Annotated, Literal

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
    poses: tuple[str, ...] = (),
    pairs: Path | None = None,
    format: Literal["png", "jpg", "webp", "bmp"] | None = None,
    weights: str = "pedestrian",
    detector: str = "pose18",
    person: int = 0,
    pose_person: int = 0,
    source_pose: str | None = None,
    min_score: float | None = None,
    skeleton: str | None = None,
    size: str | None = None,
    background: str | None = None,
    paste: bool = False,
    noise: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: Literal["float32", "bfloat16", "auto"] = "float32",
    metadata: bool = True,
    json: Path | None = None,
) -> int | None:
    """Generate a photo of a person in a new pose, or a folder of many.

    The result is framed like the pose photo. A photo of exactly the model's size is used as it is;
    in any other photo the person is detected and cropped first.

    If --out is a folder, every photo is generated in every pose, as FROM__TO.png: then SOURCE can
    also be a folder of photos, POSE a folder of photos or pose files, or a file with several poses,
    and each photo is of another person. Pictures that exist are kept, so that an interrupted run
    resumes when started again. Each photo or pose that cannot be used is reported in one line, and
    the exit code is then 1.

    Args:
        files: One or more photos of the person, of any size, followed by the target pose. The pose
            is a photo of any size, a pose file with one pose (annotation CSV, deformgan JSON,
            OpenPose or COCO JSON), or FILE:NAME for one of several. Several photos, such as front
            and back, need weights with layers: each surface is copied from the photo that shows it,
            and only what no photo shows is painted; scene and position come from the first photo.
        out: Where to write the picture (.png, .jpg, .jpeg, .webp or .bmp); its folder must exist.
            Or a folder, which is created if missing: one that exists, or a name without suffix.
        poses: Folder only: one or more poses, each as POSE; all of SOURCE ... POSE are then photos.
        pairs: Folder only: table (from,to) of the pictures to generate, by the names of photos and
            poses; by default every photo in every pose.
        format: Folder only: file format of the pictures, by default png.
        weights: Name of bundled weights or a .safetensors file.
        detector: Pose detector for photos: pose18 (bundled), or another one, usually as
            NAME:PATH (movenet, blazepose, simcc, vitpose, keypoint_rcnn).
        person: Index of the person in the source photo, by size: 0 is the largest. With several
            source photos for one picture it is always the largest.
        pose_person: Index of the person in the pose photo, by size: 0 is the largest. In a pose
            file with several people per image, indices above 0 follow the file's order.
        source_pose: Pose of the source person, as a pose file or FILE:NAME (single source photo
            only); by default it is detected. With a folder as --out, a file with the poses of all
            photos by name.
        min_score: Least score of a joint in pose files of other tools; by default that of the
            format (0.3, in OpenPose's more than 0).
        skeleton: Skeleton of the poses, a built-in name or a JSON file; by default that of the
            weights.
        size: Size of the picture in pixels, HEIGHTxWIDTH or the height alone; by default that of
            the person and surroundings in the source photo, up to 1,024 rows. Weights without
            layers support only the model's size.
        background: Background: paint (a scene painted by the weights), source (the source photo's
            scene without its person), none (transparent; .png, .webp only), a colour as #rrggbb, or
            a photo. A photo of the pose photo's size is cropped like it; of any other, the centre
            is used. By default paint if the source photo has the model's size, otherwise source.
            Weights without layers support only paint; background-conditioned weights support only a
            photo.
        paste: Paste the person into the whole photo: into the pose photo, replacing the person
            there, or, if POSE is a pose file, into the source photo, where the person stood. The
            result has the size of that photo.
        noise: Keep the generator's dropout active.
        seed: Random seed for dropout noise.
        device: Device to compute on: auto (a GPU if there is one), cpu, cuda or cuda:N.
        precision: Precision of the convolutions: float32; bfloat16, faster on devices with units
            for it, with pictures that differ by 0.1 grey levels on average; or auto, bfloat16
            where the device has such units.
        metadata: Write into the picture's metadata that it is generated, by which version and
            weights, and the terms of the weights (PNG, JPEG and WebP; BMP has none).
        json: Where to write the settings and the joints (of a folder: counts, failures and times)
            as JSON.
    """
    import time
    from dataclasses import replace

    from deformgan.cli.arguments import describe_pose, read_size
    from deformgan.cli.outputs import output_file
    from deformgan.cli.pictures import check_alpha, check_suffix, write_picture
    from deformgan.detectors import check_detector
    from deformgan.errors import InputError
    from deformgan.files import write_json
    from deformgan.inputs import read_source, read_target
    from deformgan.predict import PoseTransfer
    from deformgan.skeletons import check_skeleton

    started = time.perf_counter()
    if len(files) < (1 if poses else 2):
        raise InputError(
            f"Only {files[0] if files else 'nothing'} is given; give one or more source photos "
            "and a POSE after them."
        )
    for flag, given in (("--size", size), ("--background", background)):
        if paste and given is not None:
            raise InputError(
                f"--paste keeps the photo's own size and scene; remove {flag} {given}."
            )
    if json is not None:
        output_file(json)
    check_detector(detector)
    noise_seed = seed if noise else None
    if out.is_dir() or not out.suffix:
        from deformgan.cli.generate_folder import generate_folder

        return generate_folder(
            files if poses else files[:-1],
            poses or files[-1:],
            out,
            pairs=pairs,
            suffix=f".{format or 'png'}",
            weights=weights,
            detector=detector,
            person=person,
            pose_person=pose_person,
            source_pose=source_pose,
            min_score=min_score,
            skeleton=skeleton,
            size=size,
            background=background,
            paste=paste,
            noise_seed=noise_seed,
            device=device,
            precision=precision,
            metadata=metadata,
            report=json,
        )
    for flag, given in (("--poses", " ".join(poses)), ("--pairs", pairs), ("--format", format)):
        if given:
            raise InputError(
                f"{flag} {given} needs a folder as --out, but {out} is the name of a picture."
            )
    *sources, pose = files
    for flag, given in (("--source-pose", source_pose), ("--person", person or None)):
        if len(sources) > 1 and given is not None:
            raise InputError(
                f"{flag} {given} needs a single source photo, but {len(sources)} are given."
            )
    check_suffix(output_file(out), PICTURE_SUFFIXES)
    if background == "none":
        check_alpha(out, PICTURE_SUFFIXES)
    asked = read_size(size)
    transfer = PoseTransfer.from_pretrained(weights, device, precision=precision)
    transfer.staging.check_size(asked)
    joints = check_skeleton(skeleton, transfer.skeleton)
    if len(sources) > 1 and not transfer.layered:
        raise InputError(
            f"{len(sources)} source photos are given, but the weights {weights} support only one; "
            "use weights with layers."
        )
    people = [
        read_source(one, source_pose, detector, person, joints, min_score=min_score)
        for one in sources
    ]
    target = read_target(pose, detector, pose_person, joints, min_score=min_score)
    if paste:
        picture = transfer.generate_into(people, target, noise_seed=noise_seed)
    else:
        (picture,) = transfer.generate(
            people, target, size=asked, background=background, noise_seed=noise_seed
        )
    write_picture(out, picture, replace(transfer.metadata, composed=paste) if metadata else None)
    seconds = time.perf_counter() - started
    print(f"{out} ({picture.shape[1]}x{picture.shape[0]}, {seconds:.1f} s)")
    if json is not None:
        one = len(sources) == 1
        described = [describe_pose(photo.pose, joints) for photo in people]
        write_json(
            json,
            {
                "source": sources[0] if one else sources,
                "pose": pose,
                "out": str(out),
                "weights": weights,
                "background": background,
                "paste": paste,
                "noise_seed": noise_seed,
                "size": list(picture.shape[:2]),
                "source_joints": described[0] if one else described,
                "target_joints": describe_pose(target.pose, joints),
                "seconds": seconds,
            },
        )
    return None
