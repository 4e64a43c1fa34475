"""Whether rows and columns of images are exchanged, for the RAM that this saves."""

from dataclasses import replace

from smidgen.layers import Shape
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget, costs, is_predictable, told
from smidgen.study.design.inputs import Input
from smidgen.study.design.ladder import kinds_of
from smidgen.study.design.maker import Maker
from smidgen.study.job import Origin

_CHEAPER = 0.9  # of the RAM: what exchanging must leave at most to be done, or to be told
_WIDTH = 8  # channels of the first stage of the net that is counted both ways
_RAM = Budget(max_ram=1)  # what is asked for is the figure


def cheaper(view: Input, maker: Maker, origin: Origin) -> tuple[Input, str]:
    """Return how images are looked at under a budget of RAM, and why rows became columns.

    C keeps some rows of every map, so that wide images cost more than the same ones with rows and
    columns exchanged. They are where a net of the ladder then takes at most 90 % of the RAM: the
    weights, the MACs and what can be learned are the same.

    Args:
        view: Of the images.
        maker: Of nets for it.
        origin: The design's own.

    Returns:
        The view as it was, and nothing, or the turned one with a line for people.
    """
    at, shape = view.origin or origin, view.shape
    if at.turned or shape.height >= shape.width or maker.budget.max_ram is None:
        return view, ""
    counted = _counted(maker)
    if counted is None:
        return view, ""
    now, then = ram_of(counted), ram_of(counted.exchanged)
    if now is None or then is None or then > _CHEAPER * now:
        return view, ""
    other = Shape(shape.channels, shape.width, shape.height)
    line = (
        f"rows and columns of the {shape.height} x {shape.width} images are exchanged:"
        f" {counted.name} takes {told('ram', then)} on {other.height} x {other.width}"
        f" and {told('ram', now)} as they lie"
    )
    return Input(replace(at, turned=True), other, view.told), line


def turned_told(spec: NetSpec) -> str:
    """Return a line if the net would take much less RAM with rows and columns exchanged."""
    shape = spec.input_shape
    if shape.height == shape.width:
        return ""
    now, then = ram_of(spec), ram_of(spec.exchanged)
    if now is None or then is None or then > _CHEAPER * now:
        return ""
    return (
        f"with rows and columns of the images exchanged, {shape.width} x {shape.height}, this net"
        f" would take {told('ram', then)} instead of {told('ram', now)}"
    )


def ram_of(spec: NetSpec) -> int | None:
    """Return bytes of RAM as int8 C on a Cortex-M4; ``None`` if there is no such C."""
    return int(costs(spec, _RAM)["ram"]) if is_predictable(spec) else None


def _counted(maker: Maker) -> NetSpec | None:
    """Return the first net of the ladder, a narrow one, with the methods that rewrite it."""
    for template in kinds_of(maker):
        try:
            spec = template.spec(maker.shape, maker.classes, template.widths(_WIDTH))
            return maker.built(spec)
        except ValueError:  # the map is too small for it
            continue
    return None
