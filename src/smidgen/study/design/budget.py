"""What a net may cost, and what a spec would cost, before anything is trained."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from numbers import Real

import torch
from torch import nn

from smidgen.export.c.boards import CORES, Compiled
from smidgen.export.c.footprint import predict_cost
from smidgen.names import shown
from smidgen.spec import NetSpec

CALLS = 50


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper limits of a net; ``None`` is no limit.

    Args:
        max_params: Learned scalars, batch norm included.
        max_macs: Multiply-accumulates an image.
        max_flash: Bytes of code and constants as int8 C on a core, predicted.
        max_ram: Bytes of static memory and stack there, predicted.
        max_latency: Milliseconds of one call of the net on one image, by PyTorch on one thread of
            this machine; see :func:`measured_latency`. The C takes another time.
        compiled: The core of flash and RAM, a Cortex-M4 unless a board has another.

    Raises:
        ValueError: If a limit is not positive, or there is none.
    """

    max_params: int | None = None
    max_macs: int | None = None
    max_flash: int | None = None
    max_ram: int | None = None
    max_latency: float | None = None
    compiled: Compiled = "m4"

    def __post_init__(self) -> None:
        limits = self.limits
        if not limits:
            names = ", ".join(_option(name) for name in _NAMES)
            raise ValueError(f"a budget needs at least one of {names}")
        for name, limit in limits.items():
            if not (isinstance(limit, Real) and limit > 0):
                raise ValueError(f"{_option(name)} must be a number > 0, got {shown(limit)}")

    @property
    def limits(self) -> dict[str, float | int]:
        """The limits that are set, by name."""
        every = {name: getattr(self, f"max_{name}") for name in _NAMES}
        return {name: limit for name, limit in every.items() if limit is not None}

    @property
    def needs_prediction(self) -> bool:
        """Whether flash or RAM is limited."""
        return self.max_flash is not None or self.max_ram is not None

    def __str__(self) -> str:
        limits = ", ".join(f"{told(name, limit)} at most" for name, limit in self.limits.items())
        return limits if self.compiled == "m4" else f"{limits}, on {CORES[self.compiled]}"


_NAMES = ("params", "macs", "flash", "ram", "latency")
_UNITS = {
    "params": "parameters",
    "macs": "MACs",
    "flash": "bytes of flash",
    "ram": "bytes of RAM",
    "latency": "ms",
}


def _option(name: str) -> str:
    return f"max-{name}"


def told(name: str, figure: float | int) -> str:
    """Return a figure for people, such as ``1,560 parameters``."""
    number = f"{figure:.3g}" if name == "latency" else f"{figure:,.0f}"
    return f"{number} {_UNITS[name]}"


def costs(spec: NetSpec, budget: Budget) -> dict[str, float | int]:
    """Return the figures of ``spec`` that ``budget`` limits and that need no measurement."""
    limits, figures = budget.limits, dict[str, float | int]()
    if "params" in limits:
        figures["params"] = spec.params
    if "macs" in limits:
        figures["macs"] = spec.macs
    if budget.needs_prediction:
        cost = _predicted(spec, budget.compiled)
        predicted = zip(("flash", "ram"), cost, strict=True)
        figures |= {name: figure for name, figure in predicted if name in limits}
    return figures


def excess(figures: Mapping[str, float | int], budget: Budget) -> float:
    """Return the largest ratio of a figure to its limit; at most 1 means that all are met."""
    limits = budget.limits
    return max((figure / limits[name] for name, figure in figures.items()), default=0.0)


def is_predictable(spec: NetSpec) -> bool:
    """Whether flash and RAM of such a net can be told; not all layers have a form in C yet."""
    try:
        _predicted(spec, "m4")
    except (ValueError, TypeError, NotImplementedError, AssertionError, KeyError):
        return False
    return True


_predicted = lru_cache(maxsize=4096)(predict_cost)  # milliseconds a net, and asked again and again


def _timed(model: nn.Module, image: torch.Tensor) -> float:
    started = time.perf_counter()
    model(image)
    return time.perf_counter() - started


@lru_cache(maxsize=4096)  # so that one net has one figure
@torch.inference_mode()
def measured_latency(spec: NetSpec) -> float:
    """Return the least milliseconds of a call of the untrained net on one image, one CPU thread.

    The least of 50 calls, since what else runs on the machine only adds to it.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            model = spec.build().eval()
        image = torch.zeros(1, *spec.input_shape)
        return 1e3 * min(_timed(model, image) for _ in range(CALLS))
    finally:
        torch.set_num_threads(threads)


class Latencies:
    """What the nets of one design take, each measured once: the next time it is another figure."""

    def __init__(self, known: Mapping[str, float]) -> None:
        """Go on with what is known.

        Args:
            known: Milliseconds, by :func:`net_key`.
        """
        self._known = dict(known)
        self._note: Callable[[dict[str, float]], None] | None = None

    def of(self, spec: NetSpec) -> float:
        """Return the milliseconds of a net, see :func:`measured_latency`."""
        key = net_key(spec)
        if key not in self._known:
            self._known[key] = measured_latency(spec)
            if self._note is not None:
                self._note(self._known)
        return self._known[key]

    def noted_by(self, note: Callable[[dict[str, float]], None]) -> None:
        """Have all of them noted, now and whenever one more is known."""
        self._note = note
        note(self._known)


def net_key(spec: NetSpec) -> str:
    """Return what tells a net from others, whatever it is called."""
    form = {name: value for name, value in spec.to_dict().items() if name != "name"}
    return sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()[:16]
