"""Which methods a net is trained with: those expected to help, by what is known and measured."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean

from smidgen.data import Data
from smidgen.data.sensor import is_window
from smidgen.methods import Method, parse, rewritten
from smidgen.methods.base import ArchitectureMethod
from smidgen.spec import NetSpec
from smidgen.study.design.budget import told
from smidgen.study.design.gain import Belief
from smidgen.study.design.maker import Maker
from smidgen.study.design.profile import Profile, is_small
from smidgen.study.design.race import Race, race
from smidgen.study.design.search import Candidate, Left, Rows, Search, listed
from smidgen.study.statistics import BETTER, WORSE, Interval, adjusted_for, verdicts

METHODS = "methods"
SCHEDULE = "one-cycle"  # in every trial of a design
SHOWN, EXPECTED = "shown", "expected"
_SHIFTS = ("crop", "affine", "time-shift")  # at most one of them: each moves the image
_OF_PICTURES = ("flip",)  # nonsense of windows of a sensor, which would run backwards
_LATE = ("cutout", "mixup")  # pay in runs so long that a net would learn its images by heart
_FEW_PIXELS = 64  # pixels a side below which nets pool and do not stride, so that blurs are cheap
# Points that a method is believed to gain before anything is measured, as a mean and a deviation
# in units of e (1 - e) for an error e: little is left to gain near 0, and little is learned near 1.
_KNOWN = Belief(8.0, 8.0)  # of the methods that a design starts with
_OPEN = Belief(-1.0, 6.0)  # of others
_MIRRORED = {
    1: Belief(-1.0, 30.0),
    3: Belief(6.0, 15.0),
}  # flips: by channels, digits or photographs


def start(data: Data, *, blur: bool) -> tuple[Method, ...]:
    """Return what every design on such images starts with, as it is known to help.

    They are a one-cycle schedule, weight averages, blurred pooling where it is cheap, and one way
    of moving the image a little: a gentle affine one on few or grey images, else cropping; of
    windows of a sensor a shift in time, and scaling.

    Args:
        data: To be designed for.
        blur: Whether the budget leaves room for blurs.
    """
    many_photographs = data.shape[0] == 3 and not is_small(data)  # noqa: PLR2004
    shift = ["crop" if many_photographs else "affine"]
    if _of_windows(data):
        shift = ["time-shift", "scaling"]
    names = [SCHEDULE, "ema", *shift, *(["blurpool"] if blur and is_blurred(data) else [])]
    return _methods(names, data)


def _methods(names: Iterable[str], data: Data) -> tuple[Method, ...]:
    """Return methods by name, with arguments that suit the size of the images."""
    return tuple(method for name in names for method in parse(worded(name, data)))


def _of_windows(data: Data) -> bool:
    return is_window(*data.shape[1:])


def is_blurred(data: Data) -> bool:
    """Whether images are so small that nets pool them, rather than stride over them."""
    return max(data.shape[1:]) < _FEW_PIXELS


def worded(name: str, data: Data) -> str:
    """Return the text of a method with arguments that suit the size of the images."""
    windows = _of_windows(data)
    side = (max if windows else min)(data.shape[1:])
    turned = 0.0 if windows else 1.0  # a row has nowhere to turn
    arguments = {
        "crop": f"(padding={max(side // 8, 1)})",
        "cutout": f"(length={max(side // 3, 1)})",
        "affine": f"(rotation={10 * turned}, scale=0.1, shear={5 * turned}, shift=0.07,"
        " anneal=0.25)",
        "blurpool": "" if is_blurred(data) else '(position="before")',
    }
    return name + arguments.get(name, "")


@dataclass(frozen=True, slots=True)
class Standing:
    """Why a method is in a design, or is not.

    Args:
        method: Which.
        taken: Whether it is.
        shown: Whether its gain, or its loss, was shown; else it is only expected.
        why: In words.
    """

    method: Method
    taken: bool
    shown: bool
    why: str


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether a method helps: with it against without it."""

    method: Method
    base: tuple[Method, ...]

    @property
    def started_with(self) -> bool:
        return self.method in self.base

    @property
    def other(self) -> tuple[Method, ...]:
        """The methods of the other side than ``base``."""
        if self.started_with:
            return tuple(method for method in self.base if method != self.method)
        moves = self.method.name in _SHIFTS
        kept = [m for m in self.base if not (moves and m.name in _SHIFTS)]
        return (*kept, self.method)


class Selection:
    """The methods of one net, decided by what is expected of them."""

    def __init__(self, search: Search, maker: Maker, profile: Profile) -> None:
        self._search, self._maker, self._profile = search, maker, profile
        self._replicates = profile.fresh(search.judging)
        self._unit = search.judging.unit
        self.standings: list[Standing] = []

    def select(self, chosen: Candidate, rows: Rows, left: Left) -> Candidate:
        """Return the candidate with the methods that are expected to help.

        Each method of the start is left out once, each other one added once, and each is taken
        if its expected gain is above zero: what is known of it before, weighed with what is
        measured. What no measurement on these images could change is not measured.

        Args:
            chosen: With the methods of the start.
            rows: That chose it, by which its level is known; it is trained anew to be compared.
            left: Whether there is time for runs.
        """
        judging, replicates = self._search.judging, len(self._replicates)
        level = sum(map(judging.level, rows.values())) / len(rows)
        error = judging.error(level, replicates)
        questions = {q: _prior(q, self._search.data, level) for q in self._questions(chosen)}
        worth = [q for q, belief in questions.items() if self._is_worth(q, belief, error)]
        first = [chosen, *(replace(chosen, methods=question.other) for question in worth)]
        asked = worth if left(first, self._replicates[:1]) else []
        if worth and not asked:
            self._search.say(METHODS, "the time allows no comparison of methods")
        odds = Race(judging, level, replicates)
        found = self._measured(chosen, {q: questions[q] for q in asked}, odds, left)
        said = self._judged(found)
        taken = dict.fromkeys(chosen.methods, True)
        for question, belief in questions.items():
            gain = found.get(question)
            after = belief if gain is None else odds.after(belief, gain)
            taken[question.method] = after.mean > 0
            lacking = f"differences here are known to about {error:.1f} {judging.unit}"
            if question in worth:
                lacking = "its trials failed" if asked else "the time was short"
            self._note(question, gain, after, said.get(question, lacking))
        return self._combined(chosen, taken, found, left)

    def at_length(self, longer: Candidate, left: Left) -> Candidate:
        """Return the candidate with cutout and mixup, if they pay at the length of its last runs.

        At the length of the search they are judged too early: on CIFAR-10 they add 0.4 points to
        blurred pooling in 10 epochs and 3.0 in 40 (docs/reference-study.md). On few images, where
        a longer run is itself a question, they are not asked about again.

        Args:
            longer: With the epochs of its last runs.
            left: Whether there is time for runs.
        """
        late = late_methods(self._profile, self._search.data)
        asked = [name for name in late if name not in {method.name for method in longer.methods}]
        added = _methods(asked, self._search.data_of(longer.origin))
        other = replace(longer, methods=(*longer.methods, *added))
        if not asked or not left([longer, other], self._replicates[:1]):
            return longer
        judging, replicates = self._search.judging, self._replicates

        def gained(rows: Mapping[Candidate, Rows]) -> tuple[Interval, Belief, Race] | None:
            if longer not in rows or other not in rows:
                return None
            level = fmean(map(judging.level, rows[longer].values()))
            gain = judging.effect(rows[other], rows[longer])
            return gain, _believed(_OPEN, level), Race(judging, level, len(replicates))

        def over(rows: Mapping[Candidate, Rows]) -> set[Candidate]:
            known = gained(rows)
            return set(rows) if known is None or known[2].is_decided(known[1], known[0]) else set()

        found = race(self._search, METHODS, [longer, other], replicates, over, left)
        known = gained(found)
        if known is None:
            return longer
        gain, prior, odds = known
        after = odds.after(prior, gain)
        taken = after.mean > 0
        measured = f"{_told(gain, judging.unit)} at {longer.recipe.epochs} epochs"
        why = f"{measured}; expected now {after.mean:+z.1f}"
        shown = _is_shown(gain.verdict, taken=taken)
        self.standings = [s for s in self.standings if s.method not in added]
        for method in added:
            others = [other for other in added if other != method]
            beside = f"together with {listed(others)}: " if others else ""
            self.standings.append(Standing(method, taken, shown, beside + why))
        self._search.say(METHODS, f"{listed(added)}: {why}")
        chosen = other if taken else longer
        self._search.say(METHODS, f"taken for the last runs: {listed(chosen.methods)}")
        return chosen

    def _questions(self, chosen: Candidate) -> Iterator[_Question]:
        for method in chosen.methods:
            if method.name != SCHEDULE:
                yield _Question(method, chosen.methods)
        have = {method.name for method in chosen.methods}
        data = self._search.data_of(chosen.origin)
        names = [name for name in _asked_of(self._profile, data) if name not in have]
        for name in names:
            (method,) = parse(worded(name, data))
            question = _Question(method, chosen.methods)
            if self._is_able(chosen, question):
                yield question

    def _is_worth(self, question: _Question, belief: Belief, error: float) -> bool:
        # Nobody knows before whether these images may be mirrored: letters may not, shirts may.
        return question.method.name == "flip" or (
            belief.worth_measuring(error) >= self._profile.worth
        )

    def _measured(
        self,
        chosen: Candidate,
        asked: Mapping[_Question, Belief],
        odds: Race,
        left: Left,
    ) -> dict[_Question, Interval]:
        """Return the gain of each method asked about: with it against without it, in points.

        One that would have to be added gets no further replicates once it has lost, nor does the
        net alone once all have. Those of the start get all: of them it is told whether their gain
        is shown.
        """
        if not asked:
            return {}
        wanted = {question: replace(chosen, methods=question.other) for question in asked}

        def gains(rows: Mapping[Candidate, Rows]) -> dict[_Question, Interval]:
            effect = self._search.judging.effect
            found: dict[_Question, Interval] = {}
            for question, candidate in wanted.items():
                if candidate in rows and chosen in rows:
                    sides = (rows[chosen], rows[candidate])
                    found[question] = effect(*(sides if question.started_with else sides[::-1]))
            return found

        def over(rows: Mapping[Candidate, Rows]) -> set[Candidate]:
            known = gains(rows)
            lost = {
                wanted[question]
                for question, gain in known.items()
                if not question.started_with and odds.is_lost(asked[question], gain)
            }
            return lost if len(lost) < len(known) else set(rows)

        candidates = [chosen, *wanted.values()]
        return gains(race(self._search, METHODS, candidates, self._replicates, over, left))

    def _combined(
        self,
        chosen: Candidate,
        taken: Mapping[Method, bool],
        found: Mapping[_Question, Interval],
        left: Left,
    ) -> Candidate:
        """Return the candidate with all that was taken; together it must be ahead as well."""
        together = replace(chosen, methods=self._taken(chosen, taken, found))
        if len(set(together.methods) ^ set(chosen.methods)) > 1 and found:
            most = max(gain.count for gain in found.values())  # fewer where time was short
            if not self._is_ahead(together, chosen, self._replicates[:most], left):
                best = max(found, key=lambda q: found[q].mean * (1 if not q.started_with else -1))
                alone = replace(chosen, methods=best.other)
                together = alone if taken[best.method] != best.started_with else chosen
        self.standings = [
            s if s.taken == (s.method in together.methods) else _turned(s) for s in self.standings
        ]
        self._search.say(METHODS, f"taken: {listed(together.methods)}")
        return together

    def _taken(
        self,
        chosen: Candidate,
        taken: Mapping[Method, bool],
        found: Mapping[_Question, Interval],
    ) -> tuple[Method, ...]:
        """Return the methods that are taken, but for those that exclude each other."""
        added = [q for q in found if not q.started_with and taken[q.method]]
        added.sort(key=lambda question: -found[question].mean)
        methods = tuple(method for method in chosen.methods if taken[method])
        for question in added:
            moves = question.method.name in _SHIFTS
            if moves and any(m.name in _SHIFTS and m not in chosen.methods for m in methods):
                continue  # another way of moving the image gains more
            kept = (m for m in methods if not (moves and m.name in _SHIFTS))
            wider = (*kept, question.method)
            rewrites = isinstance(question.method, ArchitectureMethod)
            if rewrites and self._is_over(chosen.net, wider):
                line = "is over the budget beside the others that were taken"
                self._search.say(METHODS, f"{listed([question.method])} {line}")
                continue
            methods = wider
        return methods

    def _is_ahead(
        self, together: Candidate, chosen: Candidate, replicates: Sequence[int], left: Left
    ) -> bool:
        """Whether what was taken is no worse together than nothing of it, as far as is known."""
        if not left([chosen, together], replicates):
            self._search.say(METHODS, "the time allows no run of all that was taken together")
            return False
        rows = self._search.measure(METHODS, [chosen, together], replicates)
        if together not in rows or chosen not in rows:
            return False
        gain = self._search.judging.effect(rows[together], rows[chosen])
        self._search.say(METHODS, f"together {listed(together.methods)}: {_told(gain, self._unit)}")
        return gain.mean >= 0

    def _is_able(self, chosen: Candidate, question: _Question) -> bool:
        """Tell whether a method acts on the net and leaves it inside the budget."""
        method = question.method
        if not isinstance(method, ArchitectureMethod):
            return True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a method changes nothing is said below
            try:
                before = rewritten(chosen.net, chosen.methods)
                after = rewritten(chosen.net, question.other)
            except ValueError as refusal:
                self._search.say(METHODS, f"{listed([method])} is not tried: {refusal}")
                return False
        if after == before:
            self._search.say(METHODS, f"{listed([method])} is not tried: it changes nothing here")
            return False
        if self._is_over(chosen.net, question.other):
            figures = replace(self._maker, methods=question.other).figures(chosen.net)
            over = ", ".join(told(name, figure) for name, figure in figures.items())
            self._search.say(
                METHODS, f"{listed([method])} is not tried: over the budget with {over}"
            )
            return False
        return True

    def _is_over(self, net: NetSpec, methods: tuple[Method, ...]) -> bool:
        return replace(self._maker, methods=methods).excess(net) > 1

    def _judged(self, found: Mapping[_Question, Interval]) -> dict[_Question, str]:
        """Return the verdict of each gain: all are compared with one net, and judged together."""
        said = verdicts([*found.values()])
        count = sum(isfinite(of.p) for of in said)
        if how := adjusted_for(count):
            self._search.say(METHODS, f"what is shown is {how}")
        return {question: of.told for question, of in zip(found, said, strict=True)}

    def _note(self, question: _Question, gain: Interval | None, after: Belief, said: str) -> None:
        """Note the standing of a method.

        Args:
            question: Of it.
            gain: As measured, if it was.
            after: What is believed of it now.
            said: The verdict, or why it was not measured.
        """
        method, taken = question.method, after.mean > 0
        if gain is None:
            why = f"expected {after.mean:+z.1f} {self._unit}; not measured, as {said}"
            shown = False
        else:
            shown = _is_shown(said, taken=taken)
            why = f"{_told(gain, self._unit)}, {said}; expected now {after.mean:+z.1f}"
        self.standings.append(Standing(method, taken, shown, why))
        self._search.say(METHODS, f"{listed([method])}: {why}")


def _asked_of(profile: Profile, data: Data) -> tuple[str, ...]:
    """Return the methods of a profile that are asked about, as far as they suit the images."""
    if not _of_windows(data):
        return (*profile.methods, "blurpool")
    return (*(name for name in profile.methods if name not in _OF_PICTURES), "jitter", "blurpool")


def late_methods(profile: Profile, data: Data) -> tuple[str, ...]:
    """Return the methods of a profile that are judged at the length of the last runs as well."""
    return () if is_small(data) else tuple(name for name in _LATE if name in profile.methods)


def _prior(question: _Question, data: Data, percent: float) -> Belief:
    """Return what is believed of a method before it is measured."""
    if question.method.name == "flip":
        return _believed(_MIRRORED.get(data.shape[0], _MIRRORED[1]), percent)
    return _believed(_KNOWN if question.started_with else _OPEN, percent)


def _believed(units: Belief, percent: float) -> Belief:
    """Return a belief in points, given in units of e (1 - e) for an error e."""
    share = min(max(percent / 100, 0.01), 0.99)
    scale = share * (1 - share)
    return Belief(units.mean * scale, units.deviation * scale)


def _turned(standing: Standing) -> Standing:
    """Return the standing of a method of which what it did alone did not decide."""
    return replace(standing, taken=not standing.taken, shown=False)


def _is_shown(verdict: str, *, taken: bool) -> bool:
    """Whether a gain speaks for what was decided, and not a belief alone."""
    return verdict == (BETTER if taken else WORSE)


def _told(effect: Interval, unit: str) -> str:
    if effect.count == 1:
        return f"{effect.mean:+.2f} {unit}"
    return f"{effect.mean:+.2f} {unit} [{effect.low:+.2f}, {effect.high:+.2f}]"
