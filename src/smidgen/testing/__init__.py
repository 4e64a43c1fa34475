"""What every method, data source and target promises, as checks that any package can run.

    import pytest
    from smidgen.testing import method_checks

    @pytest.mark.parametrize("check", method_checks(Sharpen()), ids=lambda check: check.__name__)
    def test_sharpen_is_a_method(check):
        check(Sharpen())

A check raises :class:`AssertionError` with a sentence about what does not hold. smidgen's own
methods, data sets and targets pass the same ones.
"""

from smidgen.testing.methods import method_checks
from smidgen.testing.sources import source_checks
from smidgen.testing.targets import target_checks

__all__ = ["method_checks", "source_checks", "target_checks"]
