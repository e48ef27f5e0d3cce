"""Agreement between raters."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import mean


def same_answer_rate(units: Iterable[Sequence[str]]) -> float | None:
    """Return how often two raters of an image give the same answer, averaged over images.

    Args:
        units: Answers to each image; images with fewer than two are ignored.

    Returns:
        A rate in [0, 1]; None if no image has two answers.
    """
    rates = []
    for answers in units:
        count = len(answers)
        if count > 1:
            same = sum(many * (many - 1) for many in Counter(answers).values())
            rates.append(same / (count * (count - 1)))
    return mean(rates) if rates else None


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Return Krippendorff's alpha: 1 for perfect agreement, 0 for chance agreement.

    Images may be judged by different numbers of participants; those with fewer than two answers are
    ignored.

    Args:
        units: Answers to each image.

    Returns:
        Alpha; None if disagreement is impossible: no image with two answers, or the same answer
        throughout.

    Source:
        Krippendorff, "Content Analysis", nominal data.
    """
    together: dict[tuple[str, str], float] = {}
    for answers in units:
        counts = Counter(answers)
        total = counts.total()
        if total < 2:
            continue
        for one, many in counts.items():
            for other, more in counts.items():
                pairs = many * (more - (one == other))
                weight = together.get((one, other), 0.0)
                together[one, other] = weight + pairs / (total - 1)
    margins: dict[str, float] = {}
    for (one, _), weight in together.items():
        margins[one] = margins.get(one, 0.0) + weight
    total = sum(margins.values())
    expected = sum(
        margins[one] * margins[other] for one in margins for other in margins if one != other
    )
    if not expected:
        return None
    observed = sum(weight for (one, other), weight in together.items() if one != other)
    return 1 - (total - 1) * observed / expected
