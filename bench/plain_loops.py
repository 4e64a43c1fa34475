"""What people write without a library: the same nets and methods in plain PyTorch."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from rounds import Job, Rounds, serve
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, TensorDataset

CLASSES, CUTOUT, MIXUP, SMOOTHING, RHO, RATIO = 10, 10, 0.2, 0.1, 0.05, 16
LR = 0.01

# c convolution, dw depthwise separable, tb transition, M max pooling; then whether with biases
NETS = {
    "mnist-1k5-dw": (1, "c8 dw12 tb8 M dw12 dw16 tb12 M dw15", False),
    "cifar-143k-dw": (3, "c16 c16 M dw32 c32 M dw64 c64 M dw128 dw192 dw260", True),
}
PARAMETERS = {"mnist-1k5-dw": 1_560, "cifar-143k-dw": 143_396}

SETS = {
    "none": (),
    "blurpool + se + swa": ("blurpool", "se", "swa"),
    "cutout + mixup + smoothing": ("cutout", "mixup", "smoothing"),
    "sam": ("sam",),
    "all": ("blurpool", "se", "swa", "cutout", "mixup", "smoothing", "sam"),
}


class BlurMaxPool(nn.Module):
    """Max pooling at stride 1, then a blur at stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(row, row).expand(channels, 1, 3, 3).clone())

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(F.max_pool2d(x, 2, 1), (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, self.kernel.to(x.dtype), stride=2, groups=x.shape[1])


class SqueezeExcite(nn.Module):
    """A gate on every channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        latent = max(1, channels // RATIO)
        self.down = nn.Linear(channels, latent, bias=False)
        self.up = nn.Linear(latent, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


def plain_net(name: str, methods: tuple[str, ...] = ()) -> nn.Sequential:
    """Build a reference net of torch's own modules."""
    channels, shorthand, bias = NETS[name]
    layers: list[nn.Module] = []
    for word in shorthand.split():
        if word == "M":
            layers.append(BlurMaxPool(channels) if "blurpool" in methods else nn.MaxPool2d(2))
            continue
        kind = word.rstrip("0123456789")
        width = int(word[len(kind) :])
        if kind == "c":
            layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=bias))
        if kind == "dw":
            layers.append(nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=bias))
        if kind in ("dw", "tb"):
            layers.append(nn.Conv2d(channels, width, 1, bias=bias))
        if kind != "tb":
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            if "se" in methods:
                layers.append(SqueezeExcite(width))
        channels = width
    end = (nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, CLASSES, 1, bias=False), nn.Flatten())
    return nn.Sequential(*layers, *end)


def parameters(model: nn.Module) -> int:
    """Count them."""
    return sum(p.numel() for p in model.parameters())


def load(path: str) -> tuple[Tensor, Tensor]:
    """Return all images, normalised, and their labels."""
    data = torch.load(path)
    images = data["images"].float() / 255
    std, mean = torch.std_mean(images, (0, 2, 3), keepdim=True)
    return ((images - mean) / std).contiguous(), data["labels"]


def cutout(x: Tensor) -> Tensor:
    """Set a square of every image to 0."""
    n, _, h, w = x.shape
    top = torch.randint(h, (n, 1)) - CUTOUT // 2
    left = torch.randint(w, (n, 1)) - CUTOUT // 2
    rows, columns = torch.arange(h), torch.arange(w)
    in_rows = (rows >= top) & (rows < top + CUTOUT)
    in_columns = (columns >= left) & (columns < left + CUTOUT)
    return x.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0)


def loss_function(x: Tensor, y: Tensor, methods: tuple[str, ...]) -> Callable[[nn.Module], Tensor]:
    """Apply the batch methods once and return the loss of a model on that batch."""
    smoothing = SMOOTHING if "smoothing" in methods else 0.0
    if "cutout" in methods:
        x = cutout(x)
    if "mixup" not in methods:
        return lambda model: F.cross_entropy(model(x).float(), y, label_smoothing=smoothing)
    share = float(torch.distributions.Beta(MIXUP, MIXUP).sample())
    order = torch.randperm(len(x))
    x, partner = share * x + (1 - share) * x[order], y[order]

    def loss_of(model: nn.Module) -> Tensor:
        logits = model(x).float()
        own = F.cross_entropy(logits, y, label_smoothing=smoothing)
        return share * own + (1 - share) * F.cross_entropy(
            logits, partner, label_smoothing=smoothing
        )

    return loss_of


def sam_backward(model: nn.Module, loss_of: Callable[[nn.Module], Tensor]) -> Tensor:
    """Leave the gradient found at the worst nearby weights."""
    loss = loss_of(model)
    loss.backward()
    weights = list(model.parameters())
    with torch.no_grad():
        norm = nn.utils.get_total_norm([p.grad for p in weights])
        moves = torch._foreach_mul([p.grad for p in weights], RHO / (norm + 1e-12))
        torch._foreach_add_(weights, moves)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for module in norms:
        module.momentum = 0.0
    model.zero_grad()
    loss_of(model).backward()
    for module in norms:
        module.momentum = 0.1
    with torch.no_grad():
        torch._foreach_sub_(weights, moves)
    return loss.detach()


def run(
    model: nn.Module,
    epochs: Iterator[Iterator[tuple[Tensor, Tensor]]],
    methods: tuple[str, ...],
    rounds: Rounds,
    context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    **optimizer: bool,
) -> None:
    """Train until told to stop."""
    adamw = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.01, **optimizer)
    average = AveragedModel(model) if "swa" in methods else None
    rounds.ready(parameters(model))
    model.train()
    for epoch in epochs:
        for x, y in epoch:
            loss_of = loss_function(x, y, methods)

            def in_context(
                model: nn.Module, loss_of: Callable[[nn.Module], Tensor] = loss_of
            ) -> Tensor:
                with context():
                    return loss_of(model)

            adamw.zero_grad()
            if "sam" in methods:
                loss = sam_backward(model, in_context)
            else:
                loss = in_context(model)
                loss.backward()
            adamw.step()
            rounds.step_done(len(x), loss)
        if average is not None:
            average.update_parameters(model)


def with_loader(job: Job, rounds: Rounds) -> None:
    """DataLoader, float32, contiguous: the loop of the tutorials."""
    torch.set_num_threads(job.threads)
    methods = SETS[job.methods]
    dataset = TensorDataset(*load(job.data))
    loader = DataLoader(dataset, job.batch_size, shuffle=True, drop_last=True)
    run(plain_net(job.net, methods), (iter(loader) for _ in iter(int, 1)), methods, rounds)


def _epochs(
    images: Tensor, labels: Tensor, batch_size: int
) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
    rows = images.permute(0, 2, 3, 1).contiguous()
    while True:
        pieces = torch.randperm(len(rows)).split(batch_size)
        whole = (piece for piece in pieces if len(piece) == batch_size)
        yield ((rows[piece].permute(0, 3, 1, 2), labels[piece]) for piece in whole)


def in_memory(job: Job, rounds: Rounds, precision: torch.dtype) -> None:
    """All images in memory, normalised beforehand; channels_last; torch's fused optimizer."""
    torch.set_num_threads(job.threads)
    methods = SETS[job.methods]
    images, labels = load(job.data)
    model = plain_net(job.net, methods).to(memory_format=torch.channels_last)

    def context() -> AbstractContextManager[Any]:
        half = precision == torch.bfloat16
        return torch.autocast("cpu", torch.bfloat16) if half else nullcontext()

    epochs = _epochs(images.to(precision), labels, job.batch_size)
    run(model, epochs, methods, rounds, context, fused=True)


if __name__ == "__main__":
    serve(
        {
            "loader": with_loader,
            "memory-float32": lambda job, rounds: in_memory(job, rounds, torch.float32),
            "memory-bf16": lambda job, rounds: in_memory(job, rounds, torch.bfloat16),
        }
    )
