"""Time nets in evaluation, by compiled operations beside torch: logits, and a teacher's answers.

    python bench/evaluation.py [--rounds N]

One thread, contenders in turns, medians of thread CPU time; drawn weights, whose arithmetic takes
as long. Logits in float32, in batches as everything that judges takes them; then a step of
distilled training at 128 in the number format of a run: the student's forward and backward pass,
and what its teacher answers. BlurPool in all nets.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import nn

from smidgen import kernels, zoo
from smidgen.evaluate.accuracy import BATCH_SIZE, taken
from smidgen.flat import Flat
from smidgen.kernels.chain import Chain, Inference
from smidgen.kernels.links import links_of
from smidgen.methods import BlurPool, rewritten
from smidgen.spec import NetSpec

NETS = ("mnist-1k5-dw", "mnist-25k", "cifar-143k-dw", "cifar-143k-res")
PAIRS = (("mnist-1k5-dw", "mnist-25k"), ("cifar-143k-dw", "cifar-143k-res"))
TAUGHT = 128


def blurred(net: str) -> NetSpec:
    """Return a net with BlurPool."""
    return rewritten(zoo.net(net), [BlurPool()])


def in_evaluation(net: str) -> nn.Sequential:
    """Return a model that answers."""
    return blurred(net).build().eval().requires_grad_(requires_grad=False)


def drawn(spec: NetSpec, count: int, dtype: torch.dtype) -> torch.Tensor:
    """Return images."""
    return torch.randn(count, *spec.input_shape).to(dtype, memory_format=torch.channels_last)


def two_ways(net: str, images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return what gives the logits."""
    model = in_evaluation(net)
    infer = Inference(model)
    assert infer.is_compiled(images.dtype), f"no compiled operations for {net}"
    return {"compiled": lambda: infer(images), "torch": torch.no_grad()(lambda: model(images))}


def step(net: str, images: torch.Tensor) -> Callable[[], object]:
    """Return a net's forward and backward pass."""
    spec = blurred(net)
    model = spec.build()
    flat, links = Flat(model), links_of(model)
    assert links is not None, f"a module of {net} cannot be linked"
    targets = torch.rand(len(images), spec.out_shape.channels).softmax(1)
    chain = Chain(links, images.shape, images.dtype, flat.gradient)
    return lambda: chain.backprop(images, targets)


def medians(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the seconds that each takes."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 2):
        for name, run in contenders.items():
            before = time.thread_time()
            run()
            if turn > 1:  # the first plan and warm up
                took[name].append(time.thread_time() - before)
    return {name: statistics.median(times) for name, times in took.items()}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds: int = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"path {kernels.implementation()}; logits in float32, microseconds an image")
    for net in NETS:
        spec = blurred(net)
        sizes = {"compiled": taken(*spec.input_shape[1:]), "torch": BATCH_SIZE}
        asked = {
            name: two_ways(net, drawn(spec, size, torch.float32))[name]
            for name, size in sizes.items()
        }
        found = medians(asked, rounds)
        own, theirs = (1e6 * found[name] / size for name, size in sizes.items())
        print(f"  {net:<16} compiled {own:7.1f}  torch {theirs:7.1f}  {theirs / own:5.2f} times")
    half = kernels.number_format() == "bfloat16"
    dtype = torch.bfloat16 if half else torch.float32
    print(f"a step with a teacher in {str(dtype).removeprefix('torch.')}, milliseconds")
    for student, teacher in PAIRS:
        images = drawn(blurred(student), TAUGHT, dtype)
        found = medians({"step": step(student, images), **two_ways(teacher, images)}, rounds)
        own, quick, slow = (1e3 * found[name] for name in ("step", "compiled", "torch"))
        print(
            f"  {student} from {teacher}: own {own:.1f}, teacher compiled {quick:.1f},"
            f" torch {slow:.1f}: {(own + slow) / (own + quick):.2f} times shorter"
        )


if __name__ == "__main__":
    main()
