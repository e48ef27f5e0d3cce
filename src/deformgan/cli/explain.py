"""`deformgan explain`: the method in pictures, for one photo and one pose."""

from pathlib import Path
from typing import Any


def explain(
    source: Path,
    pose: str,
    /,
    *,
    out: Path,
    weights: str = "pedestrian",
    detector: str = "pose18",
    person: int = 0,
    pose_person: int = 0,
    source_pose: str | None = None,
    skeleton: str | None = None,
    json: Path | None = None,
) -> None:
    """Visualize each step of the method for one photo and pose.

    Helps to understand a result, or why it failed. Writes explain.png, an overview of all steps,
    and one picture per step: parts_source and parts_target (the body parts of photo and pose),
    masks, transforms (where each part is read and placed), warped_parts, warped (all parts
    combined), skips (activations before and after), heatmaps and result, the same as that
    of `deformgan generate --background paint`. For weights with layers also field_base and field
    (where the photo is read, before and after correction), correction, source_matte, copy, visible,
    paint, person, matte and scene. transforms.json has the numbers.

    Args:
        source: Photo of the person, of any size.
        pose: Target pose: a photo, a pose file with one pose, or FILE:NAME; see `deformgan
            generate`.
        out: Output folder (created if missing).
        weights: Name of bundled weights or a .safetensors file; the generator must have deformable
            skips.
        detector: Pose detector for photos; see `deformgan generate`.
        person: Index of the person in the source photo, by size: 0 is the largest.
        pose_person: Index of the person in the pose photo, by size: 0 is the largest. In a pose
            file with several people per image, indices above 0 follow the file's order.
        source_pose: Pose of the source person, as a pose file or FILE:NAME; by default it is
            detected.
        skeleton: Skeleton of the poses, a built-in name or a JSON file; by default that of the
            weights.
        json: Where to write all measurements as JSON.
    """
    import time

    from deformgan.cli.arguments import describe_pose
    from deformgan.cli.outputs import output_dir, output_file
    from deformgan.detectors import check_detector
    from deformgan.evaluation.explain import describe_layers, describe_parts, describe_skips
    from deformgan.evaluation.explain import explain as explain_pair
    from deformgan.evaluation.explain_pictures import draw_explanation
    from deformgan.evaluation.pair_diagnosis import describe_pair, tabulate_pairs
    from deformgan.files import write_image, write_json
    from deformgan.inputs import read_source, read_target
    from deformgan.predict import PoseTransfer
    from deformgan.skeletons import check_skeleton

    started = time.perf_counter()
    if json is not None:
        output_file(json)
    check_detector(detector)
    transfer = PoseTransfer.from_pretrained(weights, "cpu", background=False)
    joints = check_skeleton(skeleton, transfer.skeleton)
    photo = read_source(source, source_pose, detector, person, joints)
    target = read_target(pose, detector, pose_person, joints)
    view, target_pose = transfer.staging.frame(photo, target)
    explanation = explain_pair(transfer.generator, view, target_pose)
    pictures = draw_explanation(explanation)
    parts = describe_parts(explanation)
    output_dir(out)
    for name, picture in pictures.items():
        write_image(out / f"{name}.png", picture)
    layers = None if explanation.layers is None else describe_layers(explanation.layers)
    numbers: dict[str, Any] = {"size": list(explanation.size), "parts": parts}
    if layers is not None:
        numbers["layers"] = layers
    write_json(out / "transforms.json", numbers)
    seconds = time.perf_counter() - started
    said = describe_pair(explanation.diagnosis, 0, explanation.skeleton)
    print(f"This pair: {said}")
    print(f"{out / 'explain.png'} ({len(pictures)} pictures, {seconds:.1f} s)")
    if json is not None:
        pair = tabulate_pairs(explanation.diagnosis, explanation.skeleton)
        report = {
            "source": str(source),
            "pose": pose,
            "out": str(out),
            "weights": weights,
            "skeleton": explanation.skeleton.name,
            "size": list(transfer.size),
            "source_joints": describe_pose(view.pose, joints),
            "target_joints": describe_pose(target_pose, joints),
            "pair": {name: column[0] for name, column in pair.items()} | {"said": said},
            "parts": parts,
            "skips": describe_skips(explanation),
            "layers": layers,
            "seconds": seconds,
        }
        write_json(json, report)
