"""What smidgen asks of a method, a source and a target."""

import pytest

from smidgen.testing import method_checks, source_checks, target_checks
from smidgen_example.noise import Noise
from smidgen_example.numpy_target import numpy_target
from smidgen_example.stripes import Stripes

PROMISES = [
    *((Noise(), check) for check in method_checks(Noise())),
    *((Stripes(), check) for check in source_checks(Stripes())),
    *((numpy_target, check) for check in target_checks(numpy_target)),
]


@pytest.mark.parametrize(("of", "check"), PROMISES, ids=[check.__name__ for _, check in PROMISES])
def test_it_keeps_every_promise(of, check):
    check(of)
