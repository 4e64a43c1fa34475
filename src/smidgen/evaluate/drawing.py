"""A net layer by layer, as a table and a report's drawing show it."""

from typing import Any

from smidgen.spec import NetSpec
from smidgen.text import to_text


def layer_figures(spec: NetSpec) -> list[dict[str, Any]]:
    """Return, a layer: its text form, the shape it writes, and what it costs.

    ``peak_activation`` counts the elements of the maps that it reads and writes: as int8, bytes.
    """
    return [
        {
            "layer": to_text(layer),
            "output": str(layer.out_shape(shape)),
            "params": layer.params(shape),
            "deployed_params": layer.deployed_params(shape),
            "macs": layer.macs(shape),
            "peak_activation": layer.peak_activation(shape),
        }
        for layer, shape in spec.walk()
    ]
