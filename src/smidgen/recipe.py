"""The numbers of one training run."""

from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

from smidgen.limits import BATCH, EPOCHS, is_number, require_at_most
from smidgen.names import as_whole

OPTIMIZERS = ("adamw", "sgd", "soap")
_STARTS = tuple(2**doubled for doubled in range(11))
_FRACTIONS = ("peak_lr", "momentum", "weight_decay", "label_noise", "share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How long and how fast to train, before any method is applied.

    Args:
        epochs: Passes over the training images, >= 1; see ``share``.
        batch_size: Images a step, >= 2 (batch norm needs two).
        optimizer: ``adamw`` (Loshchilov & Hutter 2019), ``sgd`` (Nesterov momentum) or ``soap``
            (Vyas et al. 2024).
        peak_lr: Learning rate at its highest, > 0.
        momentum: Of SGD, and the first beta of AdamW and SOAP; in [0, 1).
        weight_decay: Decoupled for AdamW and SOAP, L2 for SGD; >= 0. On convolution weights
            alone, never on biases and batch norm.
        balance: Whether the loss of an image is weighed by how rare its class is: by ``n / (k
            m)`` for ``m`` of ``n`` images in one of ``k`` classes, so that all classes count
            alike.
        label_noise: Share of the training images that get a wrong label, to see what a method
            makes of that; in [0, 1]. Which ones, and which of the other labels, is drawn from the
            run's seed; images that judge keep theirs.
        starts: Weights to begin with, a power of two up to 1,024; see :mod:`smidgen.starts`. Half
            of ``n`` go on after ``1 / n`` of the epochs, those of the lowest training loss, until
            one is left.
        share: Of the training images that are learned from, to see what more of them would give;
            in (0, 1]. Which ones is drawn from the run's seed, evenly over the classes, a smaller
            share within a larger one. Epochs are as many steps as with all images: each image
            comes ``1 / share`` times in one.

    Raises:
        ValueError: If a number is out of its range or of another kind.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "adamw"
    peak_lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.01
    balance: bool = False
    label_noise: float = 0.0
    starts: int = 1
    share: float = 1.0

    def __post_init__(self) -> None:
        self._make_plain()
        if self.epochs < 1:
            raise ValueError(f"recipe epochs must be >= 1, got {self.epochs}")
        require_at_most("recipe epochs", self.epochs, EPOCHS)
        require_at_most("recipe batch_size", self.batch_size, BATCH)
        if self.batch_size < 2:  # noqa: PLR2004
            raise ValueError(f"recipe batch_size must be >= 2, got {self.batch_size}")
        if self.starts not in _STARTS:
            raise ValueError(f"recipe starts must be 1, 2, 4 up to 1024, got {self.starts}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"recipe optimizer must be one of {', '.join(OPTIMIZERS)}, got {self.optimizer!r}"
            )
        if not (is_number(self.peak_lr) and self.peak_lr > 0):
            raise ValueError(f"recipe peak_lr must be > 0, got {self.peak_lr!r}")
        if not (is_number(self.momentum) and 0 <= self.momentum < 1):
            raise ValueError(f"recipe momentum must be in [0, 1), got {self.momentum!r}")
        if not (is_number(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"recipe weight_decay must be >= 0, got {self.weight_decay!r}")
        self._require_shares()
        for name in _FRACTIONS:  # 0 is read as 0.0
            object.__setattr__(self, name, float(getattr(self, name)))

    def _require_shares(self) -> None:
        """Refuse shares of the images that are none."""
        if not (is_number(self.label_noise) and 0 <= self.label_noise <= 1):
            raise ValueError(f"recipe label_noise must be in [0, 1], got {self.label_noise!r}")
        if not (is_number(self.share) and 0 < self.share <= 1):
            raise ValueError(f"recipe share must be in (0, 1], got {self.share!r}")

    def _make_plain(self) -> None:
        """Make numbers Python's own, numpy's as well, and refuse what is of another kind."""
        for name in ("epochs", "batch_size", "starts"):
            object.__setattr__(self, name, as_whole(getattr(self, name), f"recipe {name}"))
        for name in _FRACTIONS:
            number = getattr(self, name)
            if isinstance(number, Real) and not isinstance(number, int):
                object.__setattr__(self, name, float(number))
        if type(self.balance) is not bool:
            raise ValueError(f"recipe balance must be true or false, got {self.balance!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values; what is not asked for is left out.

        Trials are known by a hash of this form, and older ones have none of these four.
        """
        form = asdict(self)
        if not self.balance:
            del form["balance"]
        if not self.label_noise:
            del form["label_noise"]
        if self.starts == 1:
            del form["starts"]
        if self.share == 1:
            del form["share"]
        return form
