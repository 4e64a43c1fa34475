"""Named nets are the ones that were published, to the last parameter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from smidgen import zoo

GOLDEN = {  # params, MACs
    "mnist-25k": (25_144, 5_476_096),
    "mnist-7k": (7_767, 1_533_507),
    "mnist-7k-dw": (7_611, 1_141_899),
    "mnist-5k": (5_712, 1_434_282),
    "mnist-5k-dw": (5_616, 986_824),
    "mnist-1k5-dw": (1_560, 407_046),
    "cifar-143k": (143_208, 10_986_672),
    "cifar-143k-dw": (143_396, 9_218_600),
    "cifar-143k-res": (142_656, 9_063_296),
    # Keras counts a norm's statistics, and its shortcuts have no norm but a bias
    "cifar-78k-resnet8": (78_666 - 2 * 240 + 96, 12_501_632),
    "vww-216k-mobilenet": (221_794 - 2 * 2736, 7_489_664),
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


@pytest.mark.parametrize("name", DEPLOYED)
def test_deployed_size_is_the_one_by_hand(name: str) -> None:
    assert zoo.net(name).deployed_params == DEPLOYED[name]


def test_an_unknown_net_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"unknown net 'mnist-1k5'; did you mean 'mnist-1k5-dw'\?"):
        zoo.net("mnist-1k5")
