"""The same nets and methods under Composer, run by the Python of .composer-venv (composer.sh)."""

import sys
import types
import warnings

import torch
from plain_loops import LR, MIXUP, PARAMETERS, RHO, SETS, SMOOTHING, load, plain_net
from rounds import Job, Rounds, serve
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def _prepare_import() -> torch.library.Library:
    """Make Composer importable beside a CPU build of torch and without MosaicML's command line."""
    # torchvision's compiled part, which defines these, is built for another torch
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height,"
        " int pooled_width, int sampling_ratio, bool aligned) -> Tensor"
    )
    # only Composer's logger for MosaicML's own platform calls it
    sys.modules["mcli"] = types.ModuleType("mcli")
    return library


warnings.simplefilter("ignore")
LIBRARY = _prepare_import()  # its definitions live as long as it does
import composer  # noqa: E402
from composer import Callback, Logger, State, Trainer, algorithms  # noqa: E402
from composer.core import Algorithm  # noqa: E402
from composer.loss import soft_cross_entropy  # noqa: E402
from composer.models import ComposerClassifier, ComposerModel  # noqa: E402

EPOCHS = 1_000_000  # for ever

# Composer gates single convolutions, smidgen blocks. These arguments give about as many gates
# (5 for 5 and 10 for 9), all of them on maps of at most 14 x 14 and 16 x 16: less work than ours.
GATES = {"mnist-1k5-dw": (1, 12), "cifar-143k-dw": (2, 32)}


class Pace(Callback):
    """Lets the rounds alternate."""

    def __init__(self, rounds: Rounds, images: int) -> None:
        self.rounds, self.images = rounds, images

    def batch_end(self, state: State, logger: Logger) -> None:
        self.rounds.step_done(self.images, state.loss)


class Lean(ComposerModel):
    """The least that Composer accepts: no metrics; bfloat16, if asked for, inside the model.

    Composer refuses every precision but fp32 on a CPU, so its users would have to do this.
    """

    def __init__(self, module: nn.Module, half: bool) -> None:
        super().__init__()
        self.module, self.half_precision = module, half

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half_precision):
            return self.module(batch[0]).float()

    def loss(self, outputs: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
        return soft_cross_entropy(outputs, batch[1])


def methods_of(job: Job) -> list[Algorithm]:
    """Return Composer's own algorithms."""
    latent, narrowest = GATES[job.net]
    kinds = {
        "blurpool": lambda: algorithms.BlurPool(),
        "se": lambda: algorithms.SqueezeExcite(latent_channels=latent, min_channels=narrowest),
        "swa": lambda: algorithms.SWA(swa_start="1ep", swa_end=f"{EPOCHS}ep"),
        "cutout": lambda: algorithms.CutOut(num_holes=1, length=10),
        "mixup": lambda: algorithms.MixUp(alpha=MIXUP),
        "smoothing": lambda: algorithms.LabelSmoothing(smoothing=SMOOTHING),
        "sam": lambda: algorithms.SAM(rho=RHO),
    }
    return [kinds[name]() for name in SETS[job.methods]]


def train(job: Job, rounds: Rounds, *, lean: bool, half: bool = False) -> None:
    """Fit, with a callback that keeps the pace."""
    torch.set_num_threads(job.threads)
    dataset = TensorDataset(*load(job.data))
    module = plain_net(job.net)
    model = Lean(module, half) if lean else ComposerClassifier(module, num_classes=10)
    found = sum(p.numel() for p in module.parameters())
    assert found == PARAMETERS[job.net], found
    trainer = Trainer(
        model=model,
        train_dataloader=DataLoader(dataset, job.batch_size, shuffle=True, drop_last=True),
        optimizers=torch.optim.AdamW(
            model.parameters(), lr=LR, weight_decay=0.01, **({"fused": True} if lean else {})
        ),
        algorithms=[*methods_of(job), *([algorithms.ChannelsLast()] if lean else [])],
        callbacks=[Pace(rounds, job.batch_size)],
        max_duration=f"{EPOCHS}ep",
        device="cpu",
        precision="fp32",
        progress_bar=False,
        log_to_console=False,
    )
    rounds.ready(sum(p.numel() for p in model.parameters()))
    try:
        trainer.fit()
    finally:
        trainer.close()


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        print(f"composer {composer.__version__}, torch {torch.__version__}")
        sys.exit(0)
    serve(
        {
            "composer": lambda job, rounds: train(job, rounds, lean=False),
            "composer-channels-last": lambda job, rounds: train(job, rounds, lean=True),
            "composer-bf16": lambda job, rounds: train(job, rounds, lean=True, half=True),
        }
    )
