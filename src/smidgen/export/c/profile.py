"""What each layer of a net takes as int8 C, before it is trained, and which decides the RAM."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from smidgen.export.c.boards import Compiled, board_named
from smidgen.export.c.footprint import costs_of, dummy_program, predict_cost
from smidgen.export.c.instructions import instructions_of
from smidgen.export.c.int8_layout import PATCH, Layout, Share, laid_out, patch_bytes
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.merge import Origin
from smidgen.layers import Layer, Shape, SqueezeExcite
from smidgen.layers.base import PlainLayer
from smidgen.names import require_kind
from smidgen.spec import NetSpec
from smidgen.text import to_text

_TOLD = 3  # changes that a sentence names


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer of a net takes as int8 C.

    Args:
        layer: Its text form.
        flash: Bytes of its weights, biases, multipliers and lines of the table of layers. Code,
            which layers of one kind share, is told in :class:`Profile`.
        ram: Bytes of RAM that are its own: the rows that it keeps of the map that it reads, or all
            of that, and its sums; of the convolution with the largest window, what that is
            gathered in.
        live: Bytes of RAM in use while it runs, its own and others'. Rows go from layer to layer,
            so many are at work at once.
        instructions: An image, on a Cortex-M4, predicted; ``None`` of another core.
        within: Place, from 0, of the layer that it was merged into, which has the costs of both;
            ``None`` of one that was not.
    """

    layer: str
    flash: int
    ram: int
    live: int
    instructions: int | None
    within: int | None


class Tried(NamedTuple):
    """A change of a net, and the bytes of RAM that the changed net takes less."""

    change: str
    saves: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What a net takes as int8 C, predicted, layer by layer.

    Args:
        layers: Of the net, in its order.
        code: Bytes of flash of the code, which layers share.
        tables: Bytes of flash of tables that several layers share.
        beside: Bytes of RAM beside the largest ``live``: stack, and what alignment takes.
        decides: Place, from 0, of the layer with the most RAM of its own where RAM is at its peak.
        tried: Changes of that layer, the one before it, the first and the images that save RAM;
            the one that saves most comes first. What they do to accuracy only training tells.
    """

    layers: tuple[LayerCost, ...]
    code: int
    tables: int
    beside: int
    decides: int
    tried: tuple[Tried, ...]

    @property
    def flash(self) -> int:
        """Bytes of code and constants."""
        return sum(layer.flash for layer in self.layers) + self.tables + self.code

    @property
    def ram(self) -> int:
        """Bytes of static memory and stack; the picture and the logits are the caller's."""
        return max(layer.live for layer in self.layers) + self.beside

    @property
    def instructions(self) -> int | None:
        """An image, on a Cortex-M4; ``None`` of another core."""
        counts = [layer.instructions for layer in self.layers if layer.instructions is not None]
        return sum(counts) if counts else None

    @property
    def told(self) -> str:
        """Which layer decides the RAM, and what takes less, in a sentence."""
        own = self.layers[self.decides]
        kind = own.layer.partition("(")[0]
        where = f"layer {self.decides + 1} ({kind}) decides RAM, with {own.ram:,} of {self.ram:,}"
        changes = [f"{one.saves:,} less with {one.change}" for one in self.tried[:_TOLD]]
        return f"{where} bytes; tried: {', '.join(changes) or 'nothing that takes less'}"


def inspect(net: NetSpec, board: str | None = None) -> Profile:
    """Return what each layer of a net takes as int8 C, before it is trained.

    Sums are those of :func:`smidgen.export.c.footprint.predict_cost`; docs/microcontrollers.md
    says how far they are off.

    Args:
        net: With its methods: of a run, ``run.trial.spec``.
        board: Whose core runs it, as ``smidgen list boards`` names it; default: a Cortex-M4.

    Raises:
        ValueError: If the net cannot be exported, naming the layer, or there is no such board.
    """
    require_kind(net, NetSpec, "a net", "as in sm.zoo.net('mnist-1k5-dw')")
    return profile_for(net, "m4" if board is None else board_named(board).compiled)


def profile_for(spec: NetSpec, compiled: Compiled) -> Profile:
    """Return what each layer takes on one core: see :func:`inspect`."""
    program, origins = dummy_program(spec)
    layout = laid_out(program)
    cost = costs_of(layout.needed)[compiled]
    shares = _shares(program, layout, origins, len(spec.layers))
    peak, decides = _peak(layout, shares)
    counts = instructions_of(layout, program.classes) if compiled == "m4" else None
    layers = tuple(
        LayerCost(
            to_text(layer),
            own.flash,
            sum(layout.buffers[name].size for name in own.buffers),
            max((_live(layout, row) for row in own.rows), default=0),
            None if counts is None else sum(counts[row] for row in own.rows),
            None if own.rows else _merged_into(place, origins),
        )
        for place, (layer, own) in enumerate(zip(spec.layers, shares, strict=True))
    )
    table_bytes = layout.needed.table_bytes
    return Profile(
        layers,
        cost.flash - table_bytes,
        table_bytes - sum(layer.flash for layer in layers),
        cost.ram - peak,
        decides,
        _tried(spec, decides, compiled, cost.ram),
    )


class _Own(NamedTuple):
    """What of the C is one layer's: lines of the chain, names of buffers, bytes of flash."""

    rows: tuple[int, ...]
    buffers: tuple[str, ...]
    flash: int


def _shares(
    program: IntegerProgram, layout: Layout, origins: Sequence[Origin], layers: int
) -> list[_Own]:
    """Return what is each layer's; what was made of several is the last one's."""
    found = [_Own((), (), 0)] * layers
    for share in layout.shares:
        place = max(origins[share.operation])
        rows, buffers, flash = found[place]
        lines = len(share.rows) + len(share.inner)
        flash += share.constant_bytes + lines * layout.layer_bytes
        found[place] = _Own((*rows, *share.rows), (*buffers, *share.buffers), flash)
    if PATCH in layout.buffers:
        largest = max(layout.shares, key=lambda share: _patch_of(layout, share))
        place = max(origins[largest.operation])
        found[place] = found[place]._replace(buffers=(*found[place].buffers, PATCH))
    last = found[-1]  # the classifier: its biases, and the line that ends the table
    flash = last.flash + 4 * program.classes + layout.layer_bytes
    found[-1] = last._replace(flash=flash)
    return found


def _patch_of(layout: Layout, share: Share) -> int:
    lines = [*map(layout.rows.__getitem__, share.rows), *map(layout.inner.__getitem__, share.inner)]
    return max(map(patch_bytes, lines), default=0)


def _alive(layout: Layout, row: int) -> Iterator[str]:
    """Yield the names of the buffers in use while a layer of the chain runs."""
    for name, buffer in layout.buffers.items():
        there = buffer.first <= layout.epochs[row] <= buffer.last
        if there and (buffer.turn is None or buffer.turn in (row, row + 1)):
            yield name


def _live(layout: Layout, row: int) -> int:
    return sum(layout.buffers[name].size for name in _alive(layout, row))


def _peak(layout: Layout, shares: Sequence[_Own]) -> tuple[int, int]:
    """Return the most bytes in use at once, and the layer that has most of them."""
    row = max(range(layout.chain), key=lambda row: _live(layout, row))
    there = {*_alive(layout, row)}
    own = [sum(layout.buffers[name].size for name in there & {*one.buffers}) for one in shares]
    return _live(layout, row), own.index(max(own))


def _merged_into(place: int, origins: Sequence[Origin]) -> int | None:
    return next((max(origin) for origin in origins if place in origin), None)


def _tried(spec: NetSpec, place: int, compiled: Compiled, ram: int) -> tuple[Tried, ...]:
    """Return the changes that save RAM, those that save most first."""
    found: list[Tried] = []
    for change, lighter in _changes(spec, place):
        saves = ram - predict_cost(lighter, compiled).ram
        found += [Tried(change, saves)] * (saves > 0)
    return tuple(sorted(found, key=lambda one: -one.saves))


def _changes(spec: NetSpec, place: int) -> Iterator[tuple[str, NetSpec]]:
    """Yield nets with other images, or another layer at a place, before it or first, in words."""
    channels, height, width = spec.input_shape
    halves = Shape(channels, -(-height // 2), -(-width // 2))
    changed: list[tuple[str, NetSpec | None]] = [
        (f"images of {halves.width}x{halves.height}", _of_images(spec, halves))
    ]
    for at in sorted({place, max(0, place - 1), 0}):
        for change, layers in _of_layer(spec.layers[at]):
            changed.append((f"{change} in layer {at + 1}", _with(spec, at, layers)))
    yield from ((change, net) for change, net in changed if net is not None)


def _of_images(spec: NetSpec, shape: Shape) -> NetSpec | None:
    try:
        return replace(spec, input_shape=shape)
    except ValueError:  # too small for the net
        return None


def _with(spec: NetSpec, at: int, layers: tuple[Layer, ...]) -> NetSpec | None:
    try:
        return replace(spec, layers=(*spec.layers[:at], *layers, *spec.layers[at + 1 :]))
    except ValueError:  # a layer behind it needs another map
        return None


def _of_layer(layer: Layer) -> Iterator[tuple[str, tuple[Layer, ...]]]:
    """Yield what a layer may become that needs less memory, in words."""
    if isinstance(layer, SqueezeExcite):
        yield "no squeeze_excite", ()
    if not isinstance(layer, PlainLayer):
        return
    own: Any = layer  # fields that layers have under one name
    if getattr(own, "stride", None) == 1:
        yield "stride=2", (replace(own, stride=2),)
    if getattr(own, "out_channels", 1) > 1:
        half = own.out_channels // 2
        yield f"out_channels={half}", (replace(own, out_channels=half),)
    kernel = getattr(own, "kernel_size", None)
    if isinstance(kernel, int) and kernel > 3:  # noqa: PLR2004
        yield "kernel_size=3", (replace(own, kernel_size=3),)
