"""The one door to images: ``load`` a data set, hold some of it out, hand it out in batches."""

from smidgen.data.base import Data, DataError, DataWarning, Split
from smidgen.data.batches import Batches, channel_statistics, normalise
from smidgen.data.sources import NAMED, load
from smidgen.data.splits import selection_split

__all__ = [
    "NAMED",
    "Batches",
    "Data",
    "DataError",
    "DataWarning",
    "Split",
    "channel_statistics",
    "load",
    "normalise",
    "selection_split",
]
