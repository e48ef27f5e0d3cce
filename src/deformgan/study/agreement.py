"""Confidence interval of a proportion, sign test, and inter-rater agreement."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a proportion; it is also valid at 0 and 1.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.

    Source:
        Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(
            f"successes must be between 0 and trials, and trials at least 1, got {successes} and "
            f"{trials}."
        )
    share = successes / trials
    middle = share + Z**2 / (2 * trials)
    reach = Z * math.sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    total = 1 + Z**2 / trials
    return max(0.0, (middle - reach) / total), min(1.0, (middle + reach) / total)


def sign_test(successes: int, trials: int) -> float:
    """Return the exact two-sided p value of the sign test, for equally likely answers."""
    fewer = min(successes, trials - successes)
    below = sum(math.comb(trials, count) for count in range(fewer + 1))
    return min(1.0, 2 * below / 2**trials)


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
