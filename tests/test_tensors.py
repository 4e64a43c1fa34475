"""Shapes in signatures are executed here, and nothing else of a signature is."""

from collections.abc import Sequence

import pytest
import torch
from jaxtyping import TypeCheckError
from tests.conftest import has_shape

from smidgen.kernels import batch_reference
from smidgen.layers import Conv
from smidgen.tensors import Batch, Images, Labels

IMAGES, TARGETS = torch.zeros(2, 1, 3, 3), torch.zeros(2, 4)


def test_an_argument_of_another_shape_is_refused() -> None:
    batch_reference.flip(IMAGES, torch.tensor([True, False]))
    with pytest.raises(TypeCheckError):
        batch_reference.flip(IMAGES[0], torch.tensor([True, False]))


def test_a_field_of_another_shape_is_refused() -> None:
    Batch(IMAGES, TARGETS)
    with pytest.raises(TypeCheckError):
        Batch(IMAGES, TARGETS[:1])


@pytest.mark.parametrize("annotation", [Images, Labels | None, dict[str, Sequence[Images]]])
def test_a_shape_is_found_however_deep_it_lies(annotation: object) -> None:
    assert has_shape(annotation)


def test_what_has_no_shape_runs_as_it_is() -> None:
    assert not has_shape(dict[str, Sequence[torch.Tensor]])
    assert not hasattr(Conv.build, "__wrapped__")
