"""What is known of a design before anything is trained: its nets, its recipe, how long it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import ceil, inf
from pathlib import Path
from typing import Any

from smidgen.data import Data
from smidgen.data.sensor import UNKNOWN
from smidgen.data.sizes import checked_size
from smidgen.escape import shell
from smidgen.files import LOCK, is_temporary, require_no_link
from smidgen.layers import Shape
from smidgen.limits import EPOCHS, is_number, require_at_most
from smidgen.methods import Method, parse
from smidgen.methods.base import ArchitectureMethod, of_kind
from smidgen.recipe import Recipe
from smidgen.robust.corruptions import corruptions_for
from smidgen.run_folder import MODEL
from smidgen.study.design.baseline import STUDY as PLAIN
from smidgen.study.design.baseline import seconds_of_baselines
from smidgen.study.design.budget import Budget, Latencies
from smidgen.study.design.clock import (
    NO_CARDS,
    Cards,
    Estimate,
    as_option,
    estimate,
    fitted,
    require_time,
    seconds_an_image,
    seconds_of_cards,
    work_of,
)
from smidgen.study.design.front import FRONT
from smidgen.study.design.held import require_notes
from smidgen.study.design.inputs import Input, inputs, sides_told
from smidgen.study.design.ladder import BudgetError, ladder
from smidgen.study.design.maker import Maker
from smidgen.study.design.profile import PREFERENCES, Profile, is_small, profile_of, recipe_of
from smidgen.study.design.reduce import Entrant
from smidgen.study.design.selection import is_blurred, late_methods, start
from smidgen.study.design.templates import Template
from smidgen.study.design.turn import cheaper
from smidgen.study.job import Origin
from smidgen.study.store import Store
from smidgen.text import nearest, to_text

STORE = "design.db"
PURPOSES = ("accuracy", "robust")
WEIGHED = "corruptions, geometry and light"  # by a design for robust; older ones noted nothing
_OF_IMAGES = {"image_size": "image size", "color": "colour", "fit": "fit"}  # asked for, told
_ROOM = 0.8  # of the parameters without blurs that nets with them must still have
_FEWEST = 3  # nets of each view of the images, where a profile has nets enough
_VIEWS = 8  # that even the shortest search may have: four sizes in colour and in grey


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a design is to be made; see :func:`smidgen.study.design.design.design`.

    Raises:
        ValueError: If one is unknown or out of range.
    """

    profile: str
    epochs: int | None
    prefer: str
    balance: bool
    pareto: bool
    seconds: float | None
    purpose: str = PURPOSES[0]

    @property
    def wants_small(self) -> bool:
        """Whether small nets are wanted as much as good ones."""
        return self.pareto or self.prefer == "smallest"

    @property
    def options(self) -> list[str]:
        """The options of the command line that ask for it; those that are as usual are left out."""
        words = ["--profile", self.profile]
        words += [] if self.epochs is None else ["--epochs", str(self.epochs)]
        words += [] if self.prefer == PREFERENCES[0] else ["--prefer", self.prefer]
        words += ["--balance"] * self.balance + ["--pareto"] * self.pareto
        words += [] if self.purpose == PURPOSES[0] else ["--for", self.purpose]
        return words + ([] if self.seconds is None else ["--time", as_option(self.seconds)])

    @property
    def of_profile(self) -> Profile:
        """What may be spent; where small nets are wanted none is moved."""
        profile = profile_of(self.profile)
        if self.pareto:
            return profile.for_front
        return replace(profile, move_rounds=0) if self.wants_small else profile

    def __post_init__(self) -> None:
        profile_of(self.profile)
        if self.prefer not in PREFERENCES:
            known = nearest(self.prefer, PREFERENCES)
            raise ValueError(f"unknown preference {self.prefer!r}; {known}")
        if self.purpose not in PURPOSES:
            raise ValueError(f"unknown purpose {self.purpose!r}; {nearest(self.purpose, PURPOSES)}")
        if self.epochs is not None and not (type(self.epochs) is int and self.epochs >= 1):
            raise ValueError(f"epochs must be a whole number >= 1, got {self.epochs!r}")
        require_at_most("epochs", self.epochs or 1, EPOCHS)


@dataclass(frozen=True, slots=True)
class Outset:
    """What a design begins with.

    Args:
        asked: What must be the same for an interrupted design to go on.
        budget: To be met.
        profile: With the lengths that the time allows.
        recipe: Of whole runs of the search.
        methods: That every net is trained with at first.
        ladder: The nets for all of the time that there may be, the first to be tried first.
        expected: How long it takes.
        lengths: Of what it does, to be noted.
        turned: Why rows and columns of the images are exchanged, if they are.
        latencies: Of the nets that were measured, if latency is limited.
        told: What is asked for, for people, a line each.
    """

    asked: dict[str, Any]
    budget: Budget
    profile: Profile
    recipe: Recipe
    methods: tuple[Method, ...]
    ladder: tuple[Entrant, ...]
    expected: Estimate
    lengths: dict[str, Any]
    turned: str = ""
    latencies: Latencies | None = None
    told: tuple[str, ...] = ()

    @property
    def entrants(self) -> tuple[Entrant, ...]:
        """The nets that the time allows."""
        return self.ladder[: self.profile.rungs]

    def note(self, store: Store) -> None:
        """Keep what an interrupted design goes on with."""
        rungs = [{**one.shaped.to_dict(), "size": list(one.maker.shape)} for one in self.ladder]
        store.note("rungs", rungs)
        store.note("start", [to_text(method) for method in self.methods])
        store.note("lengths", self.lengths)
        store.note("asked", list(self.told))
        if self.latencies is not None:
            self.latencies.noted_by(partial(store.note, "latencies"))
        store.note("request", self.asked)  # last: where it is, all of it is


def outset(
    origin: Origin, data: Data, budget: Budget, out: Path, wishes: Wishes, jobs: int
) -> Outset:
    """Return what a design begins with; nothing is written and nothing is trained.

    Raises:
        BudgetError: If no net meets the budget.
        ValueError: If ``out`` holds another design, or the time is too short.
    """
    asked = _asked(origin, data, budget, wishes)
    held = _held(out, asked, data.name, wishes.seconds)
    profile = wishes.of_profile
    shape, classes = Shape(*data.shape), len(data.classes)
    latencies = None if budget.max_latency is None else Latencies(held.get("latencies") or {})
    # room for blurs may be measured, and be another the next time
    if held.get("start") is not None:
        methods = parse(", ".join(held["start"]))
    else:
        room = is_blurred(data) and _has_room(Maker(shape, classes, budget, (), latencies))
        methods = start(data, blur=room)
    of_nets = tuple(of_kind(methods, ArchitectureMethod))
    views = inputs(
        origin,
        shape,
        budget,
        _most_views(profile.rungs),
        shrunk=any(note.startswith("pictures have the sizes") for note in data.notes),
        values=data.preprocessing.of_values,
    )
    views = [view for view in views if wishes.purpose == PURPOSES[0] or _can_change(view.shape)]
    found = [cheaper(view, Maker(view.shape, classes, budget, of_nets), origin) for view in views]
    makers = {view: Maker(view.shape, classes, budget, of_nets, latencies) for view, _ in found}
    if held:
        entrants = [_entrant(form, makers, out) for form in held["rungs"]]
    else:
        entrants = _entrants(makers, profile.rungs, smallest=wishes.wants_small)
    known = held.get("lengths") or {}
    # those that the first call had no place for decide the rate, too
    params = known.get("params", max(one.shaped.spec.params for one in entrants))

    def lengths(profile: Profile) -> tuple[Recipe, Estimate]:
        recipe = recipe_of(profile, data, params, wishes.epochs)
        longer = wishes.epochs is None or wishes.epochs > recipe.epochs
        late = longer and bool(late_methods(profile, data))
        late = late or (wishes.epochs is None and is_small(data))
        work = work_of(profile, wishes.epochs, recipe.epochs, front=wishes.pareto, late=late)
        return recipe, estimate(an_image, len(data.train), recipe, work, jobs, cards)

    tried = recipe_of(profile, data, params, wishes.epochs)
    an_image, cards = _pace(entrants, data, tried, robust=wishes.purpose != PURPOSES[0])
    recipe, expected = lengths(profile)
    if wishes.seconds is not None and known.get("seconds") == wishes.seconds:
        profile = profile.lasting(known["of"])  # the pace is another now, and all runs were too
        recipe, expected = lengths(profile)
    elif wishes.seconds is not None:
        usual, whole = expected, profile
        require_time(lambda limit: lengths(fitted(whole, usual, limit))[1], wishes.seconds)
        profile = fitted(whole, usual, wishes.seconds)
        recipe, expected = lengths(profile)
    expected = _left_to_do(expected, out / STORE, held, data, wishes.seconds, jobs)
    return Outset(
        asked,
        budget,
        profile,
        replace(recipe, balance=wishes.balance),
        methods,
        tuple(entrants),
        expected,
        {"seconds": wishes.seconds, "params": params, "of": profile.lengths},
        found[0][1],
        latencies,
        _told(origin, data, budget, wishes),
    )


def views_told(entrants: Sequence[Entrant]) -> str:
    """Return at what sizes and in what colours the nets look at the images; of one way nothing."""
    own = next((one.maker.shape for one in entrants if not one.told), None)
    begun = "" if own is None else sides_told(own)
    first, *others = dict.fromkeys(one.told or begun for one in entrants)
    if not others:
        return ""
    return (
        f"images are looked at with {first} to begin with; nets for {', '.join(others)} are tried,"
        " too, as far as the time allows (--image-size, or image_size=, for one size alone)"
    )


def _left_to_do(
    expected: Estimate,
    path: Path,
    notes: Mapping[str, Any],
    data: Data,
    seconds: float | None,
    jobs: int,
) -> Estimate:
    """Return an estimate without the runs that a store has already."""
    if "design" in notes and notes.get("ended", inf) == seconds:
        return replace(expected, done=inf)
    rows = _rows_in(path) if notes else []
    runs = [row for row in rows if row.get("study") != PLAIN and is_number(row.get("epochs"))]
    plain = any(row.get("study") == PLAIN for row in rows)
    return replace(expected.after(runs, jobs), plain=0.0 if plain else seconds_of_baselines(data))


def _pace(
    entrants: Sequence[Entrant], data: Data, recipe: Recipe, *, robust: bool
) -> tuple[float, Cards]:
    """Return what a training step of the middle net takes an image, and what cards take."""
    timed = sorted(entrants, key=lambda one: one.shaped.spec.macs)[len(entrants) // 2]
    seen = data if timed.origin is None else timed.origin.load()
    an_image = seconds_an_image(timed.maker.built(timed.shaped.spec), seen, recipe)
    return an_image, seconds_of_cards(seen, an_image) if robust else NO_CARDS


def require_out(out: Path) -> None:
    """Refuse a folder for a design that holds something else, before any picture is decoded.

    Raises:
        ValueError: If it does, or is a file, or what it holds of a design is a link.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} must be a folder, got a file")
    for name in (MODEL, FRONT):  # where they lead, plans and runs would be replaced
        require_no_link(out / name)
    none_yet = out.exists() and not (out / STORE).exists()
    if none_yet and not all(map(_is_leftover, out.iterdir())):
        raise ValueError(f"{out} is not empty and holds no design: choose another folder")


def _asked(origin: Origin, data: Data, budget: Budget, wishes: Wishes) -> dict[str, Any]:
    """Return what must be the same for an interrupted design to go on.

    Raises:
        ValueError: If it is for robust, and corruptions are not defined for such images.
    """
    sides = checked_size(origin.image_size)
    limits = asdict(budget)
    if budget.compiled == "m4":
        del limits["compiled"]  # as designs from before it could be another
    asked = {
        "data": data.fingerprint,
        # asked for, images are looked at in no other size or colour, whatever they are themselves
        "image_size": None if sides is None else list(sides),
        "color": origin.color,
        "fit": data.preprocessing.fit,
        # what is told of a sensor makes no other images, and older designs tell none
        "preprocessing": replace(data.preprocessing, **UNKNOWN._asdict()).to_dict(),
        "budget": limits,
        **{name: value for name, value in asdict(wishes).items() if name != "seconds"},
    }
    if wishes.purpose == PURPOSES[0]:
        del asked["purpose"]  # as designs from before there were others
    else:
        try:
            corruptions_for(*data.shape)
        except ValueError as error:
            raise ValueError(
                f"{error}: --for robust, or purpose='robust', weighs how corrupted pictures are"
                " answered; leave it out"
            ) from None
        asked["weighed"] = WEIGHED
    return asked


def _told(origin: Origin, data: Data, budget: Budget, wishes: Wishes) -> tuple[str, ...]:
    """Return what is asked for, for people; a folder of copies says nothing to others."""
    options = [*wishes.options, *replace(origin, data_dir=None).options]
    return f"{data.name}: {budget}", f"with {shell(options)}"


def _can_change(shape: Shape) -> bool:
    """Whether corruptions are defined for images of a size."""
    try:
        corruptions_for(*shape)
    except ValueError:
        return False
    return True


def _held(out: Path, asked: Mapping[str, Any], data: str, seconds: float | None) -> dict[str, Any]:
    """Return the notes of the interrupted design in a folder; none if there is none."""
    path = out / STORE
    notes: dict[str, Any] = {}
    if path.exists():
        store = Store(path)
        notes = store.notes()
        store.close()
    if "request" not in notes:
        return {}
    require_notes(notes, path)
    held = notes["request"]
    for name in ("preprocessing", *_OF_IMAGES):  # older designs do not name them
        held.setdefault(name, asked[name])
    differing = [name for name in {**asked, **held} if held.get(name) != asked.get(name)]
    if differing == ["weighed"]:
        raise ValueError(
            f"{out} holds a design for robust by another version, which weighed"
            f" {held.get('weighed', 'corruptions alone')} and not {WEIGHED}: choose another folder"
        )
    if differing:
        named = " and ".join(_named(differing, _names_in(path), data))
        raise ValueError(f"{out} holds another design, with other {named}: choose another folder")
    _require_more_time(out, notes, seconds)
    return notes


def _named(differing: Sequence[str], trained_on: set[str], data: str) -> list[str]:
    """Return what people call what differs, without what follows from it.

    Args:
        differing: Names of a request.
        trained_on: Names of the data of the trials so far.
        data: Of the data now.
    """
    left = {name for name in differing if name != "weighed"}
    if "preprocessing" in left and _OF_IMAGES.keys() & left:
        left.remove("preprocessing")
        if not trained_on or data in trained_on:  # the same pictures in another size are others
            left.discard("data")
    elif {"preprocessing", "data"} <= left:
        # the same pictures read otherwise are other ones, too: their name tells what was meant
        left.remove("data" if data in trained_on else "preprocessing")
    return [_OF_IMAGES.get(name, name) for name in differing if name in left]


def _require_more_time(out: Path, held: Mapping[str, Any], seconds: float | None) -> None:
    """Refuse a time that a design has had and ended in: it would test, and keep, another net.

    Raises:
        ValueError: If that is so.
    """
    if seconds is None or "ended" not in held:
        return
    if held["ended"] is None or seconds <= held["ended"]:
        more = "" if held["ended"] is None else "a longer time, or none, goes on with it, and "
        raise ValueError(
            f"{out} holds a design that has ended, with its model and its page, in"
            f" {'all the time it took' if not more else 'as much time or more'}: {more}another"
            " folder begins anew"
        )


def _names_in(path: Path) -> set[str]:
    """Return the names of the data that the trials of a store were trained on."""
    return {str(row["data"]) for row in _rows_in(path)}


def _rows_in(path: Path) -> list[dict[str, Any]]:
    store = Store(path)
    try:
        return store.rows()
    finally:
        store.close()


def _is_leftover(path: Path) -> bool:
    """Return whether a file or folder is what a design leaves that is ended as it begins."""
    if path.is_dir() and not path.is_symlink():
        return path.name.startswith(f"{Path(STORE).stem}.") and not any(path.iterdir())
    return path.name == LOCK or path.name.startswith(f"{STORE}-") or is_temporary(path)


def _has_room(maker: Maker) -> bool:
    """Whether nets with blurs may be about as large as those without."""
    if not {"flash", "ram", "macs", "latency"} & maker.budget.limits.keys():
        return True
    blurs = replace(maker, methods=parse("blurpool"))
    try:
        sizes = [max(one.spec.params for one in ladder(m, 4)) for m in (blurs, maker)]
    except BudgetError:
        return False
    return sizes[0] >= _ROOM * sizes[1]


def _most_views(rungs: int) -> int:
    """Return how many views of the images there may be so that each has its fewest nets."""
    return max(rungs // _FEWEST, _VIEWS)


def _entrants(makers: Mapping[Input, Maker], rungs: int, *, smallest: bool) -> list[Entrant]:
    """Return the nets to begin with, of every view of the images, each view's in turn.

    Views begin with their largest net and their second largest by turns, and grey ones the other
    way round: where a net is seen of each, not all are of the same kind. Where the smallest is
    wanted they begin with one of their sizes each, in turn, so that the first nets are of all.
    """
    each = max(ceil(rungs / len(makers)), _FEWEST)
    found: list[list[Entrant]] = []
    sides = list(dict.fromkeys(view.shape[1:] for view in makers))
    refused: BudgetError | None = None
    for view, maker in makers.items():
        try:
            nets = ladder(maker, each, smallest=smallest)
        except BudgetError as error:
            refused = refused or error
            continue
        begin = sides.index(view.shape[1:]) + (view.shape.channels == 1)
        begin %= len(nets) if smallest else 2
        dealt = [*nets[begin:], *nets[:begin]]
        found.append([Entrant(one, maker, view.origin, view.told) for one in dealt])
    if not found:
        assert refused is not None, "a view without a net says why"
        raise refused
    most = max(len(nets) for nets in found)
    return [nets[place] for place in range(most) for nets in found if place < len(nets)]


def _entrant(form: dict[str, Any], makers: Mapping[Input, Maker], out: Path) -> Entrant:
    for view, maker in makers.items():
        if list(view.shape) == form["size"]:
            shaped = maker.made(Template.from_dict(form["template"]), form["widths"])
            return Entrant(shaped, maker, view.origin, view.told)
    # only where the request is of a version that did not note what was asked for
    size = "x".join(map(str, form["size"]))
    raise ValueError(
        f"{out} holds another design, with nets for images of {size} as these options make none:"
        " give the image size and the colour of its first call, or choose another folder"
    )
