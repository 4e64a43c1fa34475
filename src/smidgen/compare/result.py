"""What came of judging two models on the same pictures."""

from dataclasses import dataclass

from smidgen.show import card
from smidgen.sizes import counted


@dataclass(frozen=True, slots=True)
class Judged:
    """One of two models, on the pictures that judge both.

    Args:
        place: As it was named.
        net: Its name.
        accuracy: In [0, 1].
        balanced_accuracy: Mean over the classes that have pictures, in [0, 1].
        params: Learned scalars; this and what follows are ``None`` for an ONNX file.
        macs: Multiply-accumulates an image.
        bytes_float32: Deployed parameters as float32.
        bytes_int8: Deployed parameters as int8.
        flash: Bytes as int8 C on a Cortex-M4, predicted; ``None`` if that C cannot be written.
        ram: Likewise.
    """

    place: str
    net: str
    accuracy: float
    balanced_accuracy: float
    params: int | None = None
    macs: int | None = None
    bytes_float32: int | None = None
    bytes_int8: int | None = None
    flash: int | None = None
    ram: int | None = None


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """What two models say of a picture.

    Args:
        picture: Its file below the folder that holds all, or its place among those judged, from 0.
        label: Class that the data give.
        first: Class that the first model gives.
        first_probability: Of that, in [0, 1].
        second: Class that the second model gives.
        second_probability: Of that, in [0, 1].
    """

    picture: str
    label: str
    first: str
    first_probability: float
    second: str
    second_probability: float

    @property
    def decides(self) -> bool:
        """Whether exactly one model is right."""
        return (self.first == self.label) != (self.second == self.label)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """Two models on the same pictures, none of which either is known to have learned.

    Args:
        first: What the first model reaches and costs.
        second: Likewise.
        data: Name of the pictures' data.
        part: ``test`` or ``held-out``.
        images: How many are judged.
        both: Pictures that both get right.
        only_first: That the first alone gets right.
        only_second: That the second alone gets right.
        neither: That neither gets right.
        p: Of McNemar's exact test, two-sided.
        difference: Accuracy of the first less that of the second, in [-1, 1].
        interval: Ends of its paired 95 % interval (Newcombe 1998, method 10).
        uneven: Whether the largest class has twice the pictures of the smallest, or more.
        learned: Pictures left out, as a model has learned them or a copy of them.
        unshared: Pictures left out, as they are in the part of one of the two models alone.
        others: Pictures left out by their class, which a model does not know.
        groups: Of how many groups the pictures are; 0 if they have none.
        pictures: All that are judged, in the order of the data.
    """

    first: Judged
    second: Judged
    data: str
    part: str
    images: int
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float
    difference: float
    interval: tuple[float, float]
    uneven: bool
    learned: int
    unshared: int
    others: dict[str, int]
    groups: int
    pictures: tuple[ComparedPicture, ...]

    @property
    def verdict(self) -> str:
        """``first better``, ``second better`` or ``no difference shown``, at the 5 % level."""
        from smidgen.study.statistics import McNemar

        return McNemar(self.only_first, self.only_second, self.p).verdict

    @property
    def differing(self) -> tuple[ComparedPicture, ...]:
        """The pictures that get two answers: those one model has right first, the surest first."""
        found = [of for of in self.pictures if of.first != of.second]
        found.sort(
            key=lambda of: (not of.decides, -max(of.first_probability, of.second_probability))
        )
        return tuple(found)

    def told(self, first: str = "first", second: str = "second") -> str:
        """Return the result in a line, the models called as asked for."""
        verdict = self.verdict.replace("first", f"{first} is").replace("second", f"{second} is")
        return (
            f"{first} right {100 * self.first.accuracy:.1f} %, {second}"
            f" {100 * self.second.accuracy:.1f} %, of"
            f" {counted(self.images, 'picture', 'pictures')}; only {first} {self.only_first:,},"
            f" only {second} {self.only_second:,}; McNemar p {self.p:.2g}: {verdict}"
        )

    def __repr__(self) -> str:
        low, high = (100 * end for end in self.interval)
        return (
            f"Comparison({self.told()}; difference {100 * self.difference:+.1f} points"
            f" [{low:+.1f}, {high:+.1f}])"
        )

    def _repr_html_(self) -> str:
        """Return a table of the pictures that get two answers, for a notebook."""
        rows = [(of.picture, of.label, of.first, of.second) for of in self.differing]
        return card("Comparison", self.told(), ("picture", "labelled", "first", "second"), rows)
