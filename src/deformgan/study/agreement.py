"""wilson_interval, sign_test, krippendorff_alpha: how sure a share is, how far people agree."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

Z = 1.959963984540054  # of a normal distribution's middle 95 %


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Gives the 95 % interval of a share; it stays within 0 and 1 and holds at both ends.

    Args:
        successes: Of the trials.
        trials: At least 1.

    Source:
        Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is no share.")
    share = successes / trials
    middle = share + Z**2 / (2 * trials)
    reach = Z * math.sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    total = 1 + Z**2 / trials
    return max(0.0, (middle - reach) / total), min(1.0, (middle + reach) / total)


def sign_test(successes: int, trials: int) -> float:
    """Gives the two-sided p-value of a share if both answers were equally likely, exactly."""
    fewer = min(successes, trials - successes)
    below = sum(math.comb(trials, count) for count in range(fewer + 1))
    return min(1.0, 2 * below / 2**trials)


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Measures agreement beyond chance: 1 is complete, 0 what chance gives.

    Pictures may have been judged by different numbers of people; those with fewer than two answers
    say nothing.

    Args:
        units: The answers to each picture.

    Returns:
        None where nothing can disagree: no picture with two answers, or one answer throughout.

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
