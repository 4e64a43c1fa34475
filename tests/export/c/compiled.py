"""What the tests of generated C share: integer nets, options of compilers, an end for nets."""

from hypothesis import HealthCheck, settings
from tests.export.nets import pixels_for, warmed

from smidgen import layers
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
from smidgen.spec import NetSpec

# two processes a net: no time to shrink in the quick run
fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
HEAD = (layers.GlobalAveragePool(), layers.Classifier(3, bias=True))
# a trap needs none of the sanitiser's libraries, which clang may come without
TRAP = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")


def integers(spec: NetSpec) -> IntegerProgram:
    """Return the integer program of a net whose batch norms have seen images."""
    program = lower(warmed(spec))
    return quantize(program, calibrate(program, pixels_for(spec, 8)))
