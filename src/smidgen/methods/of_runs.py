"""Methods that learn from a run: where it is."""

from dataclasses import replace

from smidgen.methods.base import Method
from smidgen.methods.distill import Distill
from smidgen.methods.pretrained import Pretrained


def run_of(method: Method) -> str | None:
    """Return the folder of the run that a method learns from; ``None`` if it needs none."""
    if isinstance(method, Distill):
        return method.teacher
    return method.run if isinstance(method, Pretrained) else None


def placed(method: Method, place: str) -> Method:
    """Return a method with another place of the run that it learns from, if it needs one."""
    if isinstance(method, Distill):
        return replace(method, teacher=place)
    return replace(method, run=place) if isinstance(method, Pretrained) else method
