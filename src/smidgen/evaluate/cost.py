"""What a prediction costs: time, and bytes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from smidgen.data import normalise
from smidgen.tensors import Pixels
from smidgen.torch_state import answering

_PIXELS = 512 * 96 * 96  # of a batch at most: its maps take gigabytes where images are large
IMAGES = 10_000  # what a total latency is scaled to, as in the reference study
_ROUNDS = 7
_SECONDS = 0.03  # of one round at the least: what interrupts one is left out by the median


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of inference on this machine.

    Args:
        kernel_ms: Milliseconds of one call of the net on one normalised image.
        end_to_end_ms: The same from the image's bytes to the class number.
        best_batch: The batch size with the least time an image.
        kernel_s_10000: Seconds of the net alone for 10,000 images in batches of that size.
        end_to_end_s_10000: The same from bytes to class numbers.
        threads: CPU threads used.
        device: ``cpu`` or ``cuda``.
    """

    kernel_ms: float
    end_to_end_ms: float
    best_batch: int
    kernel_s_10000: float
    end_to_end_s_10000: float
    threads: int
    device: str


@torch.inference_mode()
def latency(
    model: nn.Module, pixels: Pixels, mean: tuple[float, ...], std: tuple[float, ...]
) -> Latency:
    """Measure inference in float32 on the device that holds ``model`` and ``pixels``.

    Medians over rounds; each round repeats the call for at least 0.03 seconds. ``model`` keeps its
    mode.

    Args:
        model: On the device that is measured.
        pixels: Bytes, n c h w, on the same device; batches are as many of them as there are.
        mean: Of each channel, in units of 0 to 1.
        std: Likewise.
    """
    device = pixels.device

    def end_to_end(batch: Pixels) -> Tensor:
        return model(normalise(batch, mean, std, torch.float32)).argmax(1)

    def kernel(size: int) -> Callable[[], object]:
        ready = normalise(pixels[:size], mean, std, torch.float32)
        return lambda: model(ready)

    def whole(size: int) -> float:
        batch = pixels[:size]
        return seconds_of(lambda: end_to_end(batch), device)

    with answering(model):
        alone = _seconds_of_each((kernel(1), lambda: end_to_end(pixels[:1])), device)
        by_size = {size: whole(size) for size in batch_sizes(pixels.shape)} or {1: alone[1]}
        best = min(by_size, key=lambda size: by_size[size] / size)
        return Latency(
            kernel_ms=alone[0] * 1e3,
            end_to_end_ms=alone[1] * 1e3,
            best_batch=best,
            kernel_s_10000=(alone[0] if best == 1 else seconds_of(kernel(best), device))
            / best
            * IMAGES,
            end_to_end_s_10000=by_size[best] / best * IMAGES,
            threads=torch.get_num_threads(),
            device=device.type,
        )


def batch_sizes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return how many at once of images (n, c, h, w) are timed, beside a single one."""
    count, _, height, width = shape
    most = min(count, _PIXELS // (height * width))
    return tuple(size for size in (32, 128, 512) if size <= most)


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """Return the median seconds of one call."""
    return _seconds_of_each((call,), device)[0]


def _seconds_of_each(calls: Sequence[Callable[[], object]], device: torch.device) -> list[float]:
    """Return the median seconds of each of several calls.

    Their rounds take turns, so that what else the machine does falls on all of them alike.
    """

    def timed(call: Callable[[], object], repeats: int) -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / repeats

    # the first calls warm up, too
    repeats = [max(1, round(_SECONDS / max(timed(call, 2), 1e-7))) for call in calls]
    pairs = list(zip(calls, repeats, strict=True))
    rounds = [[timed(*pair) for pair in pairs] for _ in range(_ROUNDS)]
    return [median(seconds) for seconds in zip(*rounds, strict=True)]
