"""Confidence interval of a proportion."""

import math

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
