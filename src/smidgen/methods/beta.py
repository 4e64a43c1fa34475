"""The beta distribution that batches are mixed by."""

from math import exp, log
from random import Random

_SMALL = 0.005  # below it, Python's draws of a gamma distribution are often too small for a float


def drawn(alpha: float, seed: int) -> float:
    """Return a draw of Beta(alpha, alpha), which two of a gamma distribution make by their ratio.

    Where both may be too small for a float, the difference of their logarithms is drawn: of two
    noughts Python makes a nought, and never a one.
    """
    random = Random(seed)
    if alpha >= _SMALL:
        return random.betavariate(alpha, alpha)
    # Gamma(alpha) is as Gamma(alpha + 1) times a uniform draw to the power of 1 / alpha
    first, second = (log(random.gammavariate(alpha + 1, 1)) for _ in range(2))
    ahead = first - second + (log(1 - random.random()) - log(1 - random.random())) / alpha
    return 1 / (1 + exp(min(-ahead, 700)))
