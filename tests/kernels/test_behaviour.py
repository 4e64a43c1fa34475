"""The fused operations keep torch's habits: NaN, buffers, layouts, fall-backs, same bits."""

import copy
import ctypes
import mmap
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tests.kernels.cases import OPERATIONS, compare, operands, run
from torch import Tensor, nn

from smidgen import kernels
from smidgen.kernels import available, library, reference
from smidgen.kernels.library import forget_choice

MEMORY = Path("/proc/self/statm")
COMPILED = [name for name in available() if name != "torch"]
fused = pytest.mark.skipif(not COMPILED, reason="built without the compiled operations")


def _block(biased: bool) -> tuple[nn.Conv2d, nn.Conv2d, nn.BatchNorm2d]:
    torch.manual_seed(0)
    return (
        nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=biased),
        nn.Conv2d(12, 20, 1, bias=biased),
        nn.BatchNorm2d(20),
    )


def _depthwise(x: Tensor, block: tuple[nn.Conv2d, nn.Conv2d, nn.BatchNorm2d]) -> Tensor:
    depth, point, norm = block
    return kernels.depthwise_bn_relu(x, depth.weight, depth.bias, point.weight, point.bias, norm)


@fused
@pytest.mark.parametrize("biased", [False, True])
def test_running_statistics_follow_torch_biases_included(biased: bool) -> None:
    ours, theirs = _block(biased), _block(biased)
    for step in range(3):
        x = torch.randn(4, 12, 7, 7, generator=torch.Generator().manual_seed(step))
        _depthwise(x, ours)
        F.relu(theirs[2](theirs[1](theirs[0](x))))
    for name, value in theirs[2].state_dict().items():
        torch.testing.assert_close(ours[2].state_dict()[name], value, rtol=1e-5, atol=1e-6)


@fused
def test_biases_before_a_norm_get_a_gradient_of_zero_and_weights_torch_s() -> None:
    ours, theirs = _block(True), _block(True)
    x = torch.randn(4, 12, 7, 7)
    _depthwise(x, ours).square().sum().backward()
    F.relu(theirs[2](theirs[1](theirs[0](x)))).square().sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.weight.grad, other.weight.grad, rtol=1e-3, atol=1e-3)
    assert ours[0].bias is not None
    assert ours[0].bias.grad is not None
    assert ours[0].bias.grad.abs().max() == 0
    assert ours[1].bias is not None
    assert ours[1].bias.grad is not None
    assert ours[1].bias.grad.abs().max() == 0


@fused
@pytest.mark.parametrize("path", COMPILED)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nan_is_not_swallowed(
    name: str, path: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    x, *rest = operands(name, (2, 12, 8, 8), 12, 3)
    x[1, 3, 4, 5] = float("nan")
    fused = [x.to(dtype), *[t.float() for t in rest]]
    got = OPERATIONS[name](kernels, *fused)
    expected = OPERATIONS[name](reference, *[t.double() for t in fused])
    assert torch.equal(got.isnan(), expected.isnan())
    assert got.isnan().any()


@fused
@pytest.mark.parametrize("name", ["max_pool", "max_blur", "pointwise"])
def test_infinities_pass_as_in_torch(name: str) -> None:
    x, *rest = operands(name, (2, 5, 8, 8), 6, 1)
    x[0, 1, 2, 3], x[1, 2, 5, 5] = float("inf"), float("-inf")
    got = OPERATIONS[name](kernels, x.float(), *[t.float().requires_grad_() for t in rest])
    expected = OPERATIONS[name](reference, x, *rest).float()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4, equal_nan=True)


@fused
def test_the_first_of_equal_values_gets_the_gradient_as_in_torch() -> None:
    x = torch.randint(0, 3, (2, 9, 6, 7), generator=torch.Generator().manual_seed(0)).double()
    for name in ("max_pool", "max_blur"):
        compare(name, [x], torch.float32)


@fused
@pytest.mark.parametrize("name", OPERATIONS)
def test_any_memory_layout_gives_the_same_bits(name: str) -> None:
    x, *rest = [t.float() for t in operands(name, (3, 12, 9, 7), 10, 3)]
    layouts = [
        x.contiguous(memory_format=torch.channels_last),
        x.contiguous(),
        torch.cat([x, x], 3)[..., :7],
    ]
    results = [run(name, kernels, [layout, *rest]) for layout in layouts]
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@fused
@pytest.mark.parametrize("name", OPERATIONS)
def test_repeats_bit_for_bit_whatever_ran_before(name: str) -> None:
    ins = [t.float() for t in operands(name, (3, 12, 9, 7), 10, 3)]
    first = run(name, kernels, ins)
    run("conv", kernels, [t.float() for t in operands("conv", (2, 24, 17, 11), 40, 5)])
    assert all(torch.equal(a, b) for a, b in zip(first, run(name, kernels, ins), strict=True))


@fused
@pytest.mark.skipif(not MEMORY.exists(), reason="needs Linux, which tells a process its memory")
def test_a_thread_that_ends_gives_its_memory_back() -> None:
    native, piece = ctypes.CDLL(str(library.LIBRARY)), ctypes.c_int64(2**28)

    def work() -> None:
        for _ in range(3):  # apart, then in one piece, then what is there already
            native.smidgen_memory_open()
            native.smidgen_memory_take(piece, ctypes.c_size_t(1))

    def reserved() -> int:
        return int(MEMORY.read_text().split()[0]) * mmap.PAGESIZE

    before = reserved()
    for _ in range(8):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert reserved() - before < 4 * piece.value


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_what_diverged_before_leaves_no_nan_in_narrow_maps(size: int, kernel: int) -> None:
    def step(channels: int, side: int, fill: float, kernel_size: int) -> Tensor:
        x = torch.full((2, channels, side, side), fill, requires_grad=True)
        weight = torch.ones(channels, 1, kernel_size, kernel_size, requires_grad=True)
        kernels.channelwise_bn_relu(x, weight, None, nn.BatchNorm2d(channels)).sum().backward()
        assert weight.grad is not None
        return weight.grad

    step(7, 15, float("nan"), 3)
    assert step(1, size, 0.5, kernel).isfinite().all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_torch_path_serves_where_the_library_is_absent(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert available(tmp_path / "native.so") == ("torch",)
    monkeypatch.setenv("SMIDGEN_KERNELS", "torch")
    forget_choice()
    assert kernels.implementation() == "torch"
    compare(name, operands(name, (3, 12, 9, 7), 10, 3), torch.float32)


def test_a_broken_library_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "native.so").write_bytes(b"not a library")
    assert available(tmp_path / "native.so") == ("torch",)


def test_a_library_of_other_sources_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Older:
        @staticmethod
        def smidgen_processor() -> int:
            return 0

    monkeypatch.setattr(library, "_native", lambda path: Older())  # pyright: ignore[reportUnknownLambdaType]
    with pytest.raises(ValueError, match=r"native.so is of another version: install smidgen again"):
        library.load("portable", torch.float32)


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_a_c_library_that_cannot_be_asked_keeps_no_memory(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: None) -> None:
        raise error

    monkeypatch.setattr(library.ctypes, "CDLL", refuse)
    assert not kernels.keep_memory()


def test_an_unknown_path_is_refused_with_the_ones_that_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", "mmx")
    forget_choice()
    with pytest.raises(ValueError, match=r"SMIDGEN_KERNELS must be one of torch.*, got mmx"):
        kernels.implementation()


@fused
def test_autocast_gives_bfloat16_and_float32_gradients() -> None:
    block, x = _block(False), torch.randn(2, 12, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = _depthwise(x, block)
    y.sum().backward()
    assert y.dtype == torch.bfloat16
    assert block[0].weight.grad is not None
    assert block[0].weight.grad.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_data_types_run_on_torch(dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 6, 6).to(dtype)
    assert torch.equal(kernels.max_pool2d(x), F.max_pool2d(x, 2, 2))


@pytest.mark.parametrize("name", ["conv", "depthwise", "channelwise", "excite"])
def test_a_map_of_other_channels_is_refused_in_training_too(name: str) -> None:
    x, *rest = [t.float() for t in operands(name, (3, 12, 9, 7), 10, 3)]
    for other in (x[:, :5], torch.cat([x, x[:, :1]], 1)):
        with pytest.raises(RuntimeError, match=r"channels|running_mean|size"):
            run(name, kernels, [other, *rest])


@pytest.mark.parametrize("name", ["conv", "depthwise", "channelwise"])
def test_a_norm_of_other_channels_is_refused(name: str) -> None:
    x, *rest, weight, bias = [t.float() for t in operands(name, (3, 12, 9, 7), 10, 3)]
    with pytest.raises(RuntimeError, match="running_mean"):
        OPERATIONS[name](kernels, x, *rest, weight[:7], bias[:7])


@pytest.mark.parametrize("count", [1, 5, 24])
@pytest.mark.parametrize("place", ["0.bias", "1.bias", "2.weight", "2.bias", "2.running_mean"])
def test_vectors_of_another_length_are_refused(place: str, count: int) -> None:
    block = nn.Sequential(*_block(True))
    name, _, own = place.partition(".")
    kept = getattr(block[int(name)], own)
    other = torch.ones(count)
    setattr(block[int(name)], own, nn.Parameter(other) if kept.requires_grad else other)
    depth, point, norm = block
    assert isinstance(depth, nn.Conv2d)
    assert isinstance(point, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    x = torch.randn(2, 12, 7, 7, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"bias|weight|running_mean|size|shape"):
        _depthwise(x, (depth, point, norm))


@pytest.mark.parametrize("name", ["conv", "channelwise", "pointwise"])
def test_a_bias_of_another_length_is_refused(name: str) -> None:
    x, weight, *_ = [t.float() for t in operands(name, (3, 12, 9, 7), 12, 3)]
    x.requires_grad_()
    norm = nn.BatchNorm2d(12)
    of = {"conv": kernels.conv_bn_relu, "channelwise": kernels.channelwise_bn_relu}
    for bias in (torch.ones(1), torch.ones(11), torch.ones(24)):
        called = partial(of[name], norm=norm) if name in of else kernels.pointwise
        with pytest.raises(RuntimeError, match="bias"):
            called(x, weight, bias)


@pytest.mark.parametrize("name", ["depthwise", "excite"])
def test_filters_that_do_not_follow_each_other_are_refused(name: str) -> None:
    x, first, second, *norm = [t.float() for t in operands(name, (3, 12, 9, 7), 16, 3)]
    with pytest.raises(RuntimeError, match="channels"):
        OPERATIONS[name](kernels, x.requires_grad_(), first, second[:, :3].contiguous(), *norm)


@pytest.mark.parametrize(
    ("name", "place", "shape"),
    [
        ("channelwise", 1, (12, 2, 3, 3)),
        ("depthwise", 1, (12, 2, 3, 3)),
        ("depthwise", 2, (16, 12, 3, 3)),
        ("excite", 1, (4, 12, 3, 3)),
        ("excite", 2, (12, 4, 3, 3)),
    ],
)
def test_filters_of_another_shape_are_read_as_torch_reads_them(
    name: str, place: int, shape: tuple[int, ...]
) -> None:
    given = [t.float() for t in operands(name, (3, 12, 9, 7), 16, 3)]
    given[place] = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found: list[Tensor | str] = []
    for module in (kernels, reference):
        try:
            found.append(run(name, module, given)[0])
        except RuntimeError as error:
            found.append(str(error))
    if isinstance(found[1], Tensor):
        assert isinstance(found[0], Tensor)
        torch.testing.assert_close(found[0], found[1])
    else:
        assert found[0] == found[1]


@pytest.mark.parametrize("kernel", [(1, 3), (3, 3)])
def test_a_product_a_pixel_has_filters_of_one_weight(kernel: tuple[int, int]) -> None:
    x = torch.randn(2, 12, 9, 7, requires_grad=True)
    weight = torch.randn(5, 12, *kernel)
    torch.testing.assert_close(kernels.pointwise(x, weight), reference.convolution(x, weight, None))


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_statistics_of_another_type_are_refused(name: str) -> None:
    x, weight, *_ = [t.float() for t in operands("conv", (3, 12, 9, 7), 10, 3)]
    norm = nn.BatchNorm2d(10)
    setattr(norm, name, getattr(norm, name).double())
    with pytest.raises(RuntimeError, match=r"Double|dtype|type"):
        kernels.conv_bn_relu(x, weight, None, norm)


def test_a_norm_with_one_value_a_channel_is_refused_as_torch_refuses_it() -> None:
    x, weight, *_ = [t.float() for t in operands("conv", (1, 12, 2, 2), 10, 3)]
    assert kernels.conv_bn_relu(x, weight, None, nn.BatchNorm2d(10)).shape == (1, 10, 2, 2)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        kernels.conv_bn_relu(x, weight, None, nn.BatchNorm2d(10), 2)


@pytest.mark.parametrize("name", ["conv", "depthwise", "channelwise"])
def test_parameters_elsewhere_are_refused(name: str) -> None:
    x, *rest = [t.float() for t in operands(name, (3, 12, 9, 7), 10, 3)]
    with pytest.raises(RuntimeError, match="device"):
        OPERATIONS[name](kernels, x, *[t.to("meta") for t in rest])


def test_evaluation_uses_the_running_statistics() -> None:
    depth, point, norm = block = _block(True)
    norm.running_mean = torch.randn(20)
    norm.eval()
    x = torch.randn(2, 12, 6, 6)
    before = copy.deepcopy(norm.state_dict())
    torch.testing.assert_close(_depthwise(x, block), F.relu(norm(point(depth(x)))))
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.ModuleList(_block(True))

    def forward(self, x: Tensor) -> Tensor:
        depth, point, norm = self.block
        return kernels.max_blur_pool2d(_depthwise(x, (depth, point, norm)))  # pyright: ignore


def test_torch_export_sees_plain_torch() -> None:
    program = torch.export.export(_Net().eval(), (torch.randn(2, 12, 8, 8),))
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert any("conv2d" in name for name in names)
    assert all(name.startswith("aten.") or "getitem" in name for name in names)


def test_gradients_agree_with_finite_differences() -> None:
    for name in OPERATIONS:
        ins = [t.requires_grad_() for t in operands(name, (2, 3, 4, 4), 2, 3)]
        assert torch.autograd.gradcheck(partial(OPERATIONS[name], kernels), ins)


@fused
def test_paths_of_one_processor_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    ins = [t.float() for t in operands("depthwise", (3, 12, 9, 7), 10, 3)]
    results: list[list[Tensor]] = []
    for path in available():
        monkeypatch.setenv(library.CHOICE, path)
        forget_choice()
        results.append(run("depthwise", kernels, ins))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=2e-4, atol=2e-4)


@fused
@pytest.mark.parametrize("path", COMPILED)
def test_a_gate_sees_its_own_image_alone_and_saturates_without_overflow(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    forget_choice()
    x = torch.ones(19, 2, 3, 3)  # more images than are taken together
    x[5], x[17], x[18, 0, 2, 2] = 1e4, -1e4, float("nan")
    squeeze = torch.tensor([[1.0, 0.0]]).view(1, 2, 1, 1)
    excite = torch.tensor([[-1.0], [1.0]]).view(2, 1, 1, 1)
    y = kernels.squeeze_excite(x.requires_grad_(), squeeze, excite).detach()
    one = torch.tensor([1.0]).sigmoid()
    torch.testing.assert_close(y[0, :, 0, 0], torch.cat([1 - one, one]))
    assert y[5, :, 1, 1].tolist() == [pytest.approx(0, abs=1e-30), 1e4]
    assert y[17, :, 1, 1].tolist() == [-5e3, -5e3]
    assert y[18].isnan().all()
    assert not y[:18].isnan().any()


def test_weights_of_a_norm_are_copied_only_where_a_gpu_cannot_read_four_at_once() -> None:
    norm, whole = nn.BatchNorm2d(8), torch.rand(32)
    norm.weight.data, norm.bias.data = whole[4:12], whole[13:21]
    found = reference.aligned(norm)
    assert found["weight"] is norm.weight
    assert found["bias"].data_ptr() % 16 == 0
    assert torch.equal(found["bias"], norm.bias)
    found["bias"].sum().backward()
    assert norm.bias.grad is not None, "gradients reach the weights themselves"
