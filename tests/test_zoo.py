"""Named nets are the ones that were published, to the last parameter."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from smidgen import zoo
from smidgen.spec import NetSpec

ROOT = Path(__file__).parents[1]
GOLDEN = {  # params, MACs
    "mnist-25k": (25_144, 5_476_096),
    "mnist-7k": (7_767, 1_533_507),
    "mnist-7k-dw": (7_611, 1_141_899),
    "mnist-5k": (5_712, 1_434_282),
    "mnist-5k-dw": (5_616, 986_824),
    "mnist-1k5-dw": (1_560, 407_046),
    "cifar-143k": (143_208, 10_986_672),
    "cifar-143k-dw": (143_396, 9_218_600),
    "mnist-500-a": (497, 109_546),
    "mnist-697-rep": (692, 226_500),
    "mnist-1000-rep": (975, 388_230),
    "mnist-1560-rep": (1_548, 406_076),
    "mnist-5000-a": (4_936, 973_119),
    "mnist-25000-res": (22_096, 2_629_552),
    "cifar-5000-c": (4_916, 1_471_768),
    "cifar-11400-v": (9_432, 338_288),
    "cifar-11400-w": (10_776, 381_296),
    "cifar-20000-r": (19_272, 7_157_968),
    "cifar-50000-b": (48_688, 8_722_272),
    "cifar-78000-b": (65_168, 11_283_200),
    "cifar-143k-res": (142_656, 9_063_296),
    "cifar-143k-free": (135_616, 25_769_376),
    "cifar-mlperf-a": (22_748, 2_599_552),
    # Keras counts a norm's statistics, and its shortcuts have no norm but a bias
    "cifar-78k-resnet8": (78_666 - 2 * 240 + 96, 12_501_632),
    "vww-216k-mobilenet": (221_794 - 2 * 2736, 7_489_664),
    "windows-2k-dw": (2_184, 27_024),
    "windows-8k-res": (7_600, 122_976),
}
DEPLOYED = {  # batch norm folded: 2 c becomes one bias, which the CIFAR nets had already
    "mnist-1k5-dw": 1_560 - 63,
    "cifar-143k": 143_208 - 2 * 344,
    "cifar-143k-dw": 143_396 - 2 * 804 - 432,  # the depthwise biases go too
    "cifar-78k-resnet8": 78_666 - 4 * 240,  # a norm folded is the shortcut's bias
    "vww-216k-mobilenet": 221_794 - 4 * 2736,
}


@pytest.mark.parametrize("name", zoo.NETS)
def test_size_is_the_one_on_record(name: str) -> None:
    assert (zoo.net(name).params, zoo.net(name).macs) == GOLDEN[name]


@pytest.mark.parametrize("name", zoo.NETS)
def test_the_model_has_that_size(name: str) -> None:
    net = zoo.net(name)
    model = net.build().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert model(torch.zeros(1, *net.input_shape)).shape == (1, net.out_shape.channels)
    assert sum(p.numel() for p in model.parameters()) == GOLDEN[name][0]
    assert counter.get_total_flops() == 2 * GOLDEN[name][1]


def test_the_rows_of_the_ladder_are_of_the_nets_that_are_named() -> None:
    lines = (ROOT / "results" / "records.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["net"] in zoo.NETS]
    assert len({row["net"] for row in rows}) > 10
    for row in rows:
        form = {"name": row["net"], "input": row["input"], "layers": row["layers"]}
        assert NetSpec.from_dict(form) == zoo.net(row["net"]), row["net"]


@pytest.mark.parametrize("name", DEPLOYED)
def test_deployed_size_is_the_one_by_hand(name: str) -> None:
    assert zoo.net(name).deployed_params == DEPLOYED[name]


def test_an_unknown_net_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"unknown net 'mnist-1k5'; did you mean 'mnist-1k5-dw'\?"):
        zoo.net("mnist-1k5")
