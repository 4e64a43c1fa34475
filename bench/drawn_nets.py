"""Small nets drawn at random from every layer: narrow, oblong, nested, repeated."""

from contextlib import suppress
from random import Random

from smidgen.spec import NetSpec

_KERNELS = ("1", "3", "3", "3", "5", "5x1", "1x5", "3x5", "1x3", "7x1")
_SIDES = (
    (7, 5),
    (13, 9),
    (16, 16),
    (24, 24),
    (1, 40),
    (40, 1),
    (96, 1),
    (11, 30),
    (33, 17),
    (5, 7),
)
_LEAVES = ("conv", "conv", "depthwise", "depthwise", "channelwise", "transition")
_OTHERS = ("max_pool", "blur", "se")
_TRIES = 30


def drawn(seed: int) -> NetSpec:
    """Return the net of a seed: two to five layers, up to three inside each other, and an end."""
    draw = Random(seed)
    shape = (draw.choice([1, 1, 3, 3, 2]), *draw.choice(_SIDES))
    layers: list[str] = []
    for _ in range(draw.randint(2, 5)):
        before = _spec(shape, layers).out_shape if layers else shape
        for _ in range(_TRIES):
            nested = draw.random() < 0.6
            layer = _nest(draw, before[0], 2) if nested else _leaf(draw)
            with suppress(ValueError):  # what reaches it is too small for it
                _spec(shape, [*layers, layer])
                layers.append(layer)
                break
    end = draw.choice(["global_average_pool", "global_average_pool", "flatten"])
    layers += [end, f"classifier({draw.choice([2, 5, 10])}{draw.choice(['', ', bias=true'])})"]
    return _spec(shape, layers, f"drawn-{seed}")


def _spec(shape: tuple[int, ...], layers: list[str], name: str = "drawn") -> NetSpec:
    return NetSpec.from_dict({"name": name, "input": [*shape], "layers": layers})


def _leaf(draw: Random, *, strides: bool = True) -> str:
    kernel = draw.choice(_KERNELS)
    stride = draw.choice([1, 1, 1, 2, 3]) if strides else 1
    activation, bias = (
        draw.choice(["", "", more]) for more in (", activation=none", ", bias=true")
    )
    width = draw.choice([1, 2, 3, 5, 7, 8, 12, 16, 17, 33])
    kind = draw.choice([*_LEAVES, *_OTHERS])
    rest = f"{kernel}, stride={stride}{bias}{activation}"
    match kind:
        case "conv" | "depthwise":
            return f"{kind}({width}, {rest})"
        case "channelwise":
            return f"channelwise({rest})"
        case "transition":
            return f"transition({width})"
        case "blur":
            return f"blur({stride}, {draw.choice([3, 5])})"
        case "max_pool":
            wide, square = f"max_pool(2x1, stride={stride})", f"max_pool(3, stride={stride})"
            flat = ("max_pool(1x2, stride=1)", "max_pool")
            return draw.choice([wide, *flat, square, "max_pool(2, stride=1)"])
        case _:
            return f"squeeze_excite({draw.choice([1, 2, 4])})"


def _nest(draw: Random, channels: int, depth: int) -> str:
    activation = draw.choice(["", ", activation=relu"])
    kind = draw.choice(["same", "same", "short", "repeat"])
    if kind == "short":
        inner = _inside(draw, channels, depth, draw.randint(1, 3), strides=True)
        return f"residual({', '.join(inner)}, shortcut=true{activation})"
    if kind == "same":
        inner = _inside(draw, channels, depth, draw.randint(0, 2), strides=False)
        sides, last = draw.choice(["1", "3", "1x3", "5"]), draw.choice(["none", "relu"])
        inner.append(f"conv({channels}, {sides}, activation={last})")
        return f"residual({', '.join(inner)}{activation})"
    inner = _inside(draw, channels, depth, draw.randint(0, 1), strides=False)
    filters = f"depthwise({channels}, {draw.choice(['3', '5', '5x1'])})"
    ends = [f"conv({channels})", filters, f"conv({channels}, 1, activation=none)"]
    inner.append(draw.choice(ends))
    return f"repeat({', '.join(inner)}, times={draw.randint(1, 4)})"


def _inside(draw: Random, channels: int, depth: int, count: int, *, strides: bool) -> list[str]:
    found: list[str] = []
    for _ in range(count):
        if depth > 0 and draw.random() < 0.35:
            found.append(_nest(draw, channels, depth - 1))
            continue
        layer = _leaf(draw, strides=strides)
        if strides or not layer.startswith(("max_pool", "blur")):
            found.append(layer)
        elif layer.startswith("blur"):
            found.append("blur(1, 3)")
    return found
