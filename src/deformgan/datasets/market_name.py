"""MarketName: what folders and file names of Market-1501 say."""

import re
from dataclasses import dataclass

from deformgan.errors import InputError

TRAIN, TEST, QUERY, BY_HAND = "bounding_box_train", "bounding_box_test", "query", "gt_bbox"

# Market-1501 writes 0002_c1s1_000451_03.jpg; DukeMTMC-reID omits sequence and box,
# 0001_c2_f0046182.jpg; others omit only the sequence.
_NAME = re.compile(
    r"(-1|\d+)_c(\d+)(?:s(\d+)_(\d+)_(\d+)|_f?(\d+)(?:_(\d+))?).*\.(?:jpe?g|png)", re.IGNORECASE
)


@dataclass(frozen=True)
class MarketName:
    """The fields of a file name.

    Attributes:
        identity: Person, as written: "0002"; "-1" and sometimes "0000" are nobody, see
            `nobody.find_nobody`.
        camera: From 1.
        sequence: Recording of that camera, from 1; 1 if the name has none.
        frame: Frame of that recording.
        box: Box of that frame; 0 if the name has none.
    """

    identity: str
    camera: int
    sequence: int
    frame: int
    box: int

    @staticmethod
    def parse(name: str) -> "MarketName":
        """Parse a name like `0002_c1s1_000451_03.jpg`."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(
                f"{name!r} is not a Market-1501 file name like '0002_c1s1_000451_03.jpg'."
            )
        identity, camera, sequence, frame, box, only_frame, only_box = match.groups()
        if sequence is None:
            sequence, frame, box = 1, only_frame, only_box or 0
        return MarketName(identity, int(camera), int(sequence), int(frame), int(box))
