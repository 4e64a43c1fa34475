"""Try an installed smidgen far from its sources: compiled operations run, a net answers."""

import sys
import tempfile
from pathlib import Path

import smidgen as sm
from smidgen import kernels


def main() -> None:
    """Try it, and say what it was tried on."""
    assert set(kernels.available()) - {"torch"}, "the wheel holds no compiled operations"
    data = sm.data.load("digits")
    net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), len(data.classes))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        sm.train(net, data, recipe=sm.Recipe(epochs=3), folder=folder)
        accuracy = sm.evaluate(sm.load_run(folder), data.test).accuracy
    assert accuracy > 0.3, f"three epochs gave {accuracy}"  # a tenth is chance
    print(f"{sys.version.split()[0]} on {sys.platform}: {kernels.implementation()}, {accuracy:.3f}")


if __name__ == "__main__":
    main()
