"""One point of the space smidgen explores: what is trained, how, on what, with which seed."""

import hashlib
import json
import shlex
from dataclasses import dataclass
from typing import Any

from smidgen.data.parts import FULL, require_split
from smidgen.methods import in_order, rewritten
from smidgen.methods.base import GradientMethod, Method, ScheduleMethod, at_most_one
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.text import to_text


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that decides a run's result, but for the machine it runs on.

    Args:
        net: As asked for, before any architecture method.
        methods: In any order; they are applied in the order of ``METHODS``.
        recipe: The numbers of the run.
        seed: Of every random draw.
        data: Name of the data set.
        fingerprint: Hash of its content.
        split: ``full`` trains on all training images; ``selection`` or a fold such as
            ``fold-2-of-5`` holds some of them out, for choices that must not see the test set.

    Raises:
        ValueError: If two methods contradict each other, or ``split`` is unknown.
    """

    net: NetSpec
    methods: tuple[Method, ...]
    recipe: Recipe
    seed: int
    data: str
    fingerprint: str
    split: str

    def __post_init__(self) -> None:
        require_split(self.split)
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be in [0, 2^63), got {self.seed}")
        at_most_one(self.methods, ScheduleMethod)
        at_most_one(self.methods, GradientMethod)
        names = [method.name for method in self.methods]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"method {name} was asked for {names.count(name)} times")

    @property
    def spec(self) -> NetSpec:
        """The net that is built: after every architecture method."""
        return rewritten(self.net, self.methods)

    @property
    def method_texts(self) -> list[str]:
        """The methods in order of application, in text form."""
        return [to_text(method) for method in in_order(self.methods)]

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as plain values, for JSON."""
        return {
            "net": self.net.to_dict(),
            "methods": self.method_texts,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "split": self.split,
        }

    @property
    def command(self) -> str:
        """The command line that trains it again; a net of one's own is named by its file."""
        words = ["smidgen", "train", self.net.name, "--data", self.data, "--seed", str(self.seed)]
        words += ["--with", ",".join(text.replace(" ", "") for text in self.method_texts)]
        for name, value in self.recipe.to_dict().items():
            words += ["--set", f"recipe.{name}={value}"]
        if self.split == FULL:
            words.append("--full")
        return shlex.join(words)

    @property
    def key(self) -> str:
        """Hash of the content; names of the net and of the data set do not count."""
        content = self.to_dict()
        del content["data"], content["net"]["name"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
