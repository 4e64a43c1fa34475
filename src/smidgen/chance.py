"""How far chance may take a share: by the pictures drawn to judge it, and with nothing learned."""

from statistics import NormalDist

from smidgen.sizes import counted

CONFIDENCE = 0.95
_NEAR = 1.25  # times what one answer for all reaches


def wilson(share: float, images: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % interval of a share of ``images``, in [0, 1].

    The ends are ``(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)``; unlike
    the normal interval they hold for few images and for shares near 0 and 1.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".

    Raises:
        ValueError: If the share lies outside [0, 1] or there is no image.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share must be in [0, 1], got {share}")
    if images < 1:
        raise ValueError(f"a share must be of at least one image, got {images}")
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    extra = z * z / images
    centre = (share + extra / 2) / (1 + extra)
    half = z * (share * (1 - share) / images + extra / (4 * images)) ** 0.5 / (1 + extra)
    return max(0.0, centre - half), min(1.0, centre + half)


def fair_coin(heads: int, tails: int) -> float:
    """Return the two-sided probability of a split at least as uneven, of a fair coin.

    Of two models of equal accuracy, the pictures that exactly one gets right fall like that.

    Source: McNemar 1947, Psychometrika 12(2); the exact form.
    """
    if heads + tails == 0:
        return 1.0
    from scipy.stats import binomtest  # all of scipy.stats takes half a second to import

    return float(binomtest(heads, heads + tails).pvalue)


def of_groups(images: int, groups: int, split: str = "test") -> str:
    """Return what pictures of one group, as of one patient, take from an interval, in words.

    They are no independent witnesses.
    """
    return (
        f"{images:,} {split} images are of {counted(groups, 'group', 'groups')}: for new groups the"
        f" accuracy is less certain than the interval of {images:,} images says"
    )


def is_near_one_answer(share: float, floor: float) -> bool:
    """Tell whether a share of right answers is hardly above that of one answer for all.

    Args:
        share: Of right answers, in [0, 1].
        floor: What one answer for all reaches: the share of the largest class, or of each class
            where all count alike.
    """
    return share <= _NEAR * floor and share < floor + (1 - floor) / 4


def beside_one_answer(share: float, floor: float) -> str:
    """Return how such a share stands to what one answer for all reaches, in words."""
    return "is near" if share > floor else "is no more than"
