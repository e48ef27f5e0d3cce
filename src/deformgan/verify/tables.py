"""Checks of annotation and pair tables, pose rescaling and DeepFashion's file names."""

import json
import re
from pathlib import PurePosixPath

import numpy as np
import torch

from deformgan.datasets.deepfashion import flat_name, poses_128x64
from deformgan.datasets.market_name import MarketName
from deformgan.datasets.nobody import NOBODY
from deformgan.datasets.pairs import HEADER, ordered_pairs, sample_test_pairs
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.verify.checks import AllChecks
from deformgan.verify.golden import Golden

_ANNOTATIONS = "tables/annotations.csv"


def check_pairs(all_checks: AllChecks, file: str) -> None:
    """Check tables/pairs_all.csv and tables/pairs_test_n<N>.csv against the annotations' pairs."""
    annotations = _read(all_checks.golden, _ANNOTATIONS)
    identities = [MarketName.parse(name).identity for name in annotations.names]
    pairs = ordered_pairs(identities, _usable(annotations))
    if match := re.fullmatch(r"tables/pairs_test_n(\d+)\.csv", file):
        pairs = sample_test_pairs(pairs, int(match[1]))
    lines = [",".join(HEADER)]
    lines += [",".join(annotations.names[place] for place in pair) for pair in pairs.tolist()]
    found = all_checks.of_file(file).same(PurePosixPath(file).name, np.array(lines))
    all_checks.of_file(_ANNOTATIONS).proved_by([PurePosixPath(_ANNOTATIONS).name], [found])


def check_pairs_meta(all_checks: AllChecks, file: str) -> None:
    """Check tables/pairs_meta.json: the number of annotations, and which of them are usable."""
    annotations = _read(all_checks.golden, _ANNOTATIONS)
    usable = zip(annotations.names, _usable(annotations).tolist(), strict=True)
    checks = all_checks.of_file(file)
    findings = [
        checks.same("n_rows", np.array(json.dumps(len(annotations)))),
        checks.same("valid", np.array(json.dumps([name for name, use in usable if use]))),
    ]
    all_checks.of_file(_ANNOTATIONS).proved_by([PurePosixPath(_ANNOTATIONS).name], findings)


def check_size_change(all_checks: AllChecks, file: str) -> None:
    """Check tables/annotation_128x64_from_256.csv."""
    source = "tables/annotation_256.csv"
    large, golden = _read(all_checks.golden, source), _read(all_checks.golden, file)
    small = poses_128x64(large.pose, truncate=True)
    checks, name = all_checks.of_file(file), PurePosixPath(file).name
    found = checks.holds(name, large.names == golden.names, "the names differ")
    if found.ok:
        joints = torch.where(golden.pose.visible[..., None], golden.pose.joints - small.joints, 0)
        same = torch.equal(golden.pose.visible, small.visible) and not joints.any()
        found = checks.holds(name, same, "the joints differ")
    all_checks.of_file(source).proved_by([PurePosixPath(source).name], [found])


def check_names(all_checks: AllChecks, file: str) -> None:
    """Check tables/deepfashion_names.json: flat names by original path."""
    checks = all_checks.of_file(file)
    for path in checks.arrays:
        checks.same(path, np.array(json.dumps(flat_name(path))))


def _read(golden: Golden, file: str) -> Annotations:
    return read_annotation_csv(golden.folder / file)


def _usable(annotations: Annotations) -> torch.Tensor:
    somebody = [MarketName.parse(name).identity not in NOBODY for name in annotations.names]
    return annotations.pose.usable(OPENPOSE18) & torch.tensor(somebody)
