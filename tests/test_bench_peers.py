"""The comparison with nets of others is fair, and the page has its figures from the rows."""

import json
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import smidgen as sm
from smidgen.data import Data, Split, channel_statistics
from smidgen.layers import Classifier, Conv, GlobalAveragePool, MaxPool, Shape
from smidgen.methods import Crop, Flip, OneCycle, rewritten

ROOT = Path(__file__).parents[1]
EPOCHS, BATCH, STEPS = 2, 16, 6


@pytest.fixture(scope="module")
def bench() -> Generator[Path]:
    sys.path.insert(0, str(ROOT / "bench"))
    yield ROOT / "bench"
    sys.path.remove(str(ROOT / "bench"))


@pytest.fixture(scope="module")
def peers(bench: Path) -> ModuleType:
    import peers  # pyright: ignore[reportMissingImports]

    return peers


@pytest.fixture(scope="module")
def data() -> Data:
    """Three steps of pictures an epoch, and three pictures that are left over."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (51, 32, 32, 3), generator=generator, dtype=torch.uint8)
    part = Split(images.permute(0, 3, 1, 2), torch.arange(51) % 10)
    return Data("drawn", part, part, tuple("abcdefghij"))


def test_the_plain_loop_takes_the_steps_that_smidgen_takes(bench: Path, data: Data) -> None:
    from peer_loop import trained  # pyright: ignore[reportMissingImports]

    layers = (Conv(8), MaxPool(), Conv(8), GlobalAveragePool(), Classifier(10))
    spec = sm.NetSpec(Shape(3, 32, 32), layers)
    recipe = sm.Recipe(epochs=EPOCHS, batch_size=BATCH, peak_lr=0.01, weight_decay=5.0)
    peak = 0.3 * STEPS - 1  # torch's, counted from the first step
    methods = [Crop(4), Flip(), OneCycle(warmup=peak / (STEPS - 1))]
    runtime = sm.Runtime("cpu", 1, "float32")
    ours = sm.train(spec, data, methods=methods, recipe=recipe, seed=3, runtime=runtime).model
    statistics = channel_statistics(data.train.images)
    theirs = trained(spec.build(3), data.train, statistics, recipe, 3)
    pairs = zip(theirs.parameters(), ours.parameters(), strict=True)
    apart = torch.cat([(a - b).detach().abs().flatten() for a, b in pairs])
    assert apart.mean() < 1e-4, "a step changes a weight by a hundredth"


def row(peer: str, epochs: int, seed: int, seconds: float, accuracy: float = 0.5) -> dict[str, Any]:
    return {
        "peer": peer, "epochs": epochs, "seed": seed, "cpu_seconds": seconds,
        "accuracy": accuracy, "images": 10_000, "trained_by": "x", "params": 1_234, "macs": 5e6,
    }  # fmt: skip


def test_equal_time_is_as_many_whole_epochs_as_fit(peers: ModuleType) -> None:
    rows = [row("resnet8", peers.EPOCHS, seed, 100 + seed) for seed in (0, 2)]
    rows += [row("hand", peers.EPOCHS, 0, 68), row("hand", 11, 0, 1)]  # other lengths say nothing
    assert peers.fitting(rows, "hand") == int(peers.EPOCHS * 101 / 68)
    assert peers.fitting([*rows, row("hand", peers.EPOCHS, 1, 136)], "hand") == 7


def test_a_table_has_nets_with_all_seeds_and_differences_by_seed(peers: ModuleType) -> None:
    rows = [row("resnet8", 8, seed, 10, 0.5 + seed / 10) for seed in (0, 1)]
    rows += [row("hand", 8, seed, 10, 0.51 + seed / 10) for seed in (1, 0)]
    lines = peers.table([*rows, row("ladder", 8, 0, 10)], dict.fromkeys(peers.PEERS, 8))
    *_, theirs, ours = lines.splitlines()
    assert theirs.startswith("| ResNet-8 | x | 1,234 | 5.00 M | 8 | 10 | 55.00 ± 63.53 |  |")
    assert ours.startswith("| `cifar-78000-b`")
    assert "| +1.00 [+0.96, +1.04] |" in ours, "one picture is the least difference"
    assert len(lines.splitlines()) == 4


def test_the_rows_are_of_one_budget_one_split_and_the_nets_of_now(peers: ModuleType) -> None:
    rows = peers.read()
    for one in rows:
        net = peers.PEERS[one["peer"]].make()
        if isinstance(net, sm.NetSpec):
            built = rewritten(net, sm.methods.parse(peers.PEERS[one["peer"]].methods))
            assert (one["net"], one["params"], one["macs"]) == (net.name, built.params, built.macs)
        else:
            assert one["params"] == sum(p.numel() for p in net.parameters())
        assert one["macs"] <= peers.MACS
        assert one["params"] <= 78_186 + 96 * (one["peer"] == "same")
    common = ("pictures", "images", "fingerprint", "device", "threads", "precision", "versions")
    assert len({json.dumps([one[name] for name in common]) for one in rows}) == 1
    assert all(one["recipe"] == rows[0]["recipe"] | {"epochs": one["epochs"]} for one in rows)


def test_the_page_has_the_tables_of_the_rows(peers: ModuleType) -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    for made in peers.tables(peers.read()):
        assert made in page, "python bench/peers.py table makes them"
