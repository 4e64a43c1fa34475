"""The one door to images: ``load`` a data set, hold some of it out, hand it out in batches."""

from smidgen.data.arrays import from_arrays
from smidgen.data.base import Data, Split
from smidgen.data.batches import Batches, channel_statistics, normalise
from smidgen.data.errors import DataError, DataWarning
from smidgen.data.preprocessing import Preprocessing
from smidgen.data.sources import NAMED, load
from smidgen.data.splits import selection_split

__all__ = [
    "NAMED",
    "Batches",
    "Data",
    "DataError",
    "DataWarning",
    "Preprocessing",
    "Split",
    "channel_statistics",
    "from_arrays",
    "load",
    "normalise",
    "selection_split",
]
