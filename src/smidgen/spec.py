"""A net as data: an input shape and the layers it flows through."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from smidgen import limits
from smidgen.layers import LAYERS, Classifier, Layer, Nest, Shape
from smidgen.layers.nest import count, end_of, leaves, peak_of, rewritten, stack, through
from smidgen.names import as_seed, require_kind, require_name, shown
from smidgen.show import card
from smidgen.text import nearest, parse, to_text
from smidgen.torch_state import float32_on_the_cpu, seeded


@dataclass(frozen=True, slots=True)
class NetSpec:
    """A feed-forward net, fully described and free to compare, hash and store.

    Args:
        input_shape: Of one image.
        layers: In the order of computation.
        name: For people; two specs that differ in name alone are equal.

    Raises:
        ValueError: If the name is none (see names.py), or a layer cannot take what reaches it; the
            layer and its place are named.
    """

    input_shape: Shape
    layers: tuple[Layer, ...]
    name: str = field(default="net", compare=False)

    def __post_init__(self) -> None:
        require_name(self.name, "the name of a net")
        require_kind(self.input_shape, Shape, "the input of a net", "as in Shape(3, 32, 32)")
        if not isinstance(self.layers, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"the layers of a net must be a tuple, got {shown(self.layers)}")
        for layer in self.layers:
            require_kind(layer, Layer, "a layer of a net", "as in Conv(8)")
        limits.require_at_most("layers of a net", count(self.layers), limits.LAYERS)
        limits.require_at_most("channels of an input", self.input_shape[0], limits.INPUT_CHANNELS)
        limits.require_at_most("the sides of an input", max(self.input_shape[1:]), limits.SIDE)
        try:
            end_of(self.layers, self.input_shape)
        except ValueError as error:
            raise ValueError(f"{self.name}, {error}") from None

    def walk(self) -> Iterator[tuple[Layer, Shape]]:
        """Yield each layer with the shape it receives; what layers hold is theirs to walk."""
        return through(self.layers, self.input_shape)

    def leaves(self) -> Iterator[tuple[Layer, Shape]]:
        """Yield each layer that holds no other with the shape it receives; repeated ones once."""
        return leaves(self.layers, self.input_shape)

    def __repr__(self) -> str:
        return f"NetSpec({self.name}: {self._told})"

    def _repr_html_(self) -> str:
        """Return a table of the layers, for a notebook."""
        lines = [list(line.values()) for line in self.table()]
        columns = ["layer", "output", "params", "deployed params", "MACs", "peak activation"]
        return card(self.name, self._told, columns, lines)

    @property
    def _told(self) -> str:
        """What a prompt shows of the net."""
        ends = f"{self.input_shape} to {self.out_shape}"
        return f"{ends}, {len(self.layers)} layers, {self.params:,} params, {self.macs:,} MACs"

    def table(self) -> list[dict[str, Any]]:
        """Return, a layer: its text form, the shape it writes, and what it costs.

        ``peak_activation`` counts the elements of the maps that it reads and writes: as int8,
        bytes.
        """
        return [
            {
                "layer": to_text(layer),
                "output": str(layer.out_shape(shape)),
                "params": layer.params(shape),
                "deployed_params": layer.deployed_params(shape),
                "macs": layer.macs(shape),
                "peak_activation": layer.peak_activation(shape),
            }
            for layer, shape in self.walk()
        ]

    @property
    def out_shape(self) -> Shape:
        """Shape of the last map; a classifier's is (classes, 1, 1)."""
        return end_of(self.layers, self.input_shape)

    @property
    def params(self) -> int:
        """Learned scalars, exactly."""
        return sum(layer.params(shape) for layer, shape in self.walk())

    @property
    def deployed_params(self) -> int:
        """Scalars left once batch norm is folded into the convolutions."""
        return sum(layer.deployed_params(shape) for layer, shape in self.walk())

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image."""
        return sum(layer.macs(shape) for layer, shape in self.walk())

    @property
    def peak_activation(self) -> int:
        """Elements alive at once, at the most: maps read, written and kept for a later sum."""
        return peak_of(self.layers, self.input_shape, keep=False)

    def build(self, seed: int = 0) -> nn.Sequential:
        """Return a model, a module a layer, whose initial weights depend on ``seed`` alone.

        torch's global generator is left as it was. A max pooling and the blur after it run
        as one operation, at the place of the blur.

        Raises:
            ValueError: If the net is too large to be built, or ``seed`` is none that
                :func:`smidgen.train.train` takes.
        """
        seed = as_seed(seed)
        self.require_possible()
        with float32_on_the_cpu(), seeded(seed):
            return stack(self.layers, self.input_shape)

    def require_possible(self) -> None:
        """Refuse a net that is too large to be built.

        Raises:
            ValueError: Naming it, with the limit.
        """
        limits.require_at_most(f"params of {self.name}", self.params, limits.PARAMS)
        limits.require_at_most(
            f"activations of {self.name}", self.peak_activation, limits.ACTIVATIONS
        )

    def map_layers(self, rewrite: Callable[[Layer], tuple[Layer, ...]]) -> "NetSpec":
        """Return this spec with each layer replaced by what ``rewrite`` returns.

        Layers inside others are replaced too; those that hold others are not given to ``rewrite``.
        """

        def each(layers: tuple[Layer, ...]) -> list[Layer]:
            kept = [(old,) if isinstance(old, Nest) else rewrite(old) for old in layers]
            return [new for news in kept for new in news]

        return self.map_sequences(each)

    def map_sequences(self, rewrite: Callable[[tuple[Layer, ...]], Sequence[Layer]]) -> "NetSpec":
        """Return this spec with each sequence of layers replaced, from the innermost outwards.

        The net itself is a sequence, and so is what each layer that holds others holds.
        """
        return replace(self, layers=rewritten(self.layers, rewrite))

    def fitted(self, input_shape: Shape, classes: int) -> "NetSpec":
        """Return this spec for another image size and number of classes; widths stay.

        Raises:
            ValueError: If the images are too small for the net.
        """

        def rewrite(layer: Layer) -> tuple[Layer, ...]:
            return (replace(layer, classes=classes) if isinstance(layer, Classifier) else layer,)

        try:
            on_these = replace(self, input_shape=input_shape)
        except ValueError as error:  # the file of a net names one size, and the data have another
            said = f"the net is written for {self.input_shape}, and fitted to {input_shape}"
            raise ValueError(f"{error} ({said}){_instead(input_shape)}") from None
        return on_these.map_layers(rewrite)

    def require_classifier(self, what: str) -> None:
        """Refuse a net whose last layer is not its only classifier.

        Args:
            what: It is, for the error.

        Raises:
            ValueError: Naming it and its last layer.
        """
        places = [i for i, layer in enumerate(self.layers) if isinstance(layer, Classifier)]
        if places != [len(self.layers) - 1]:
            last = to_text(self.layers[-1]) if self.layers else "nothing"
            raise ValueError(f"{what} must end in its only classifier, got {last} at the end")

    @property
    def exchanged(self) -> "NetSpec":
        """This spec on images whose rows and columns are exchanged, as those of all kernels are."""

        def each(layers: tuple[Layer, ...]) -> list[Layer]:
            return [_turned(layer) for layer in layers]

        channels, height, width = self.input_shape
        layers = rewritten(self.layers, each)
        return replace(self, input_shape=Shape(channels, width, height), layers=layers)

    def as_they_lie(self, shape: Shape) -> "NetSpec":
        """Return the spec for images of ``shape``, whose rows and columns are exchanged.

        A net that was written for the images as they lie has its kernels exchanged as well; one
        that was written for ``shape``, or for other images, stays as it is.
        """
        exchanged = self.exchanged
        written = self.input_shape != shape and exchanged.input_shape == shape
        return exchanged if written else self

    def to_dict(self) -> dict[str, Any]:
        """Return the text form, as it stands under ``[net]`` in a TOML file."""
        return {
            "name": self.name,
            "input": list(self.input_shape),
            "layers": [to_text(layer) for layer in self.layers],
        }

    @staticmethod
    def from_dict(form: Any) -> "NetSpec":
        """Return the spec of a text form; the inverse of :meth:`to_dict`.

        Raises:
            ValueError: If a key is unknown or missing, or a layer cannot be read.
        """
        if not isinstance(form, Mapping):
            raise ValueError(f"a net must be a table, got {shown(form)}")
        known = ("name", "input", "layers")
        for key in form:
            if key not in known:
                raise ValueError(f"net has no key {shown(key)}; {nearest(str(key), known)}")
        for key in known[1:]:
            if key not in form:
                raise ValueError(f"net needs the key {key!r}")
        name = require_name(form.get("name", "net"), "the name of a net")
        sides, texts = form["input"], form["layers"]
        if not (isinstance(sides, list) and [type(side) for side in sides] == [int] * 3):
            raise ValueError(f"net input must be [channels, height, width], got {shown(sides)}")
        if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts) and texts):
            raise ValueError(f"net layers must be a list of texts, got {shown(texts)}")
        limits.require_at_most("layers of a net", len(texts), limits.LAYERS)  # before they are read
        kinds = {kind.name: kind for kind in LAYERS}
        layers: list[Layer] = []
        held = 0
        for text in texts:  # each may hold hundreds
            layers.append(parse(text, kinds, "layer"))
            held += count((layers[-1],))
            limits.require_at_most("layers of a net", held, limits.LAYERS)
        return NetSpec(Shape(*sides), tuple(layers), name)


def _turned(layer: Layer) -> Layer:
    """Return a layer whose kernel, if it has one, has rows for columns."""
    own: Any = layer
    kernel = getattr(own, "kernel_size", None)
    return replace(own, kernel_size=kernel[::-1]) if isinstance(kernel, tuple) else layer


def _instead(shape: Shape) -> str:
    """Return what to do for windows of one row, or one column, that no square window fits."""
    if 1 not in (shape.height, shape.width):
        return ""
    oblong = "1x2" if shape.height == 1 else "2x1"
    return (
        f": `smidgen design` finds nets for {shape}, or write one with layers such as"
        f" max_pool({oblong}): docs/layers.md"
    )
