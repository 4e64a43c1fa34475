"""A run that has learned a little, and the packages made of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from smidgen import zoo
from smidgen.data import load
from smidgen.export import generated
from smidgen.export.artefact import Artefact, Source, Wish, source_of
from smidgen.export.firmware import package
from smidgen.export.generated import Made, made_of
from smidgen.export.ship import write_files
from smidgen.export.targets import TARGETS
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.train import train


@pytest.fixture(scope="session")
def source() -> Source:
    digits = load("digits")
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    run = train(spec, digits, recipe=Recipe(epochs=3, batch_size=32), seed=0, split="full")
    return source_of(run, digits, "digits")


@pytest.fixture(scope="session")
def packaged(
    source: Source, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Path, Artefact]]:
    """Return a function that makes a package in a folder of its name, the C once for all."""
    made: dict[str, Made] = {}
    done: dict[tuple[str, str], tuple[Path, Artefact]] = {}

    def once(source: Source, wish: Wish) -> Made:
        kind = wish.numbers or "int8"
        if kind not in made:
            made[kind] = made_of(source, wish)
        return made[kind]

    def unmeasured(artefact: Artefact, *_: object) -> Artefact:
        return artefact

    def of(target: str, numbers: str = "int8") -> tuple[Path, Artefact]:
        key = (target, numbers)
        if key not in done:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(package, "made_of", once)
                patch.setattr(generated, "_on_cortex_m4", unmeasured)
                wish = Wish(numbers=numbers, finish_epochs=0 if numbers == "int8" else None)
                artefact = TARGETS[target](source, wish)
            folder = tmp_path_factory.mktemp(target) / "digits"
            write_files(artefact.files, folder)
            done[key] = folder, artefact
        return done[key]

    return of
