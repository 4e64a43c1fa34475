"""How large what comes from outside may be, checked before memory is asked for it."""

import os
from pathlib import Path
from stat import S_ISREG

TEXT = 10_000  # characters of a layer's or a method's text, or of all methods together
LAYERS = 1_000  # of a net, those inside others counted as often as they run
NESTED = 4  # layers that hold layers, inside each other
REPEATED = 100  # times that weights are used again
CHANNELS = 65_535  # of a map, and classes
SIDE = 65_535  # pixels a side, of a picture or a map
KERNEL = 99  # pixels a side
BLUR = 63  # pixels a side: float32 holds the square of its weights' sum
INPUT_CHANNELS = 1_024
PARAMS = 100_000_000  # of a net: 400 MB
ACTIVATIONS = 1 << 28  # elements of an image's maps alive at once: 1 GB
PICTURE = 64_000_000  # pixels of a decoded picture: 192 MB in colour
LARGE_JPEG = 200_000_000  # pixels of a JPEG in its file, of which at most so many are decoded
SCANNED = 50 * PICTURE  # pixels of a JPEG's scans together: usual ones have some ten, each whole
ENCODED = 1 << 29  # bytes of an encoded picture
VALUES = 1 << 33  # bytes of the pictures of a data set in one file
ARCHIVED = 1 << 21  # files of an archive that is unpacked
IMAGES = 1 << 26  # rows of a table of pictures, and pictures of arrays
LINKS = 65_535  # to folders, followed below one: they may lead to each other in as many ways
AGAIN = 100_000  # files and folders below one, found again by another way
TABLE = 1 << 28  # bytes of a table of text
TABLE_ROWS = 1 << 20  # of a table of text beside few pictures: each takes some 300 bytes
COLUMNS = 10_000  # of a table of text that names pictures
CELLS = 16  # of a row, over all rows that a table may have
PIXEL_TABLE = 1 << 31  # bytes of a table of pixel values: some four a pixel
README = 1 << 20  # bytes
EPOCHS = 1_000_000
TRIALS = 20_000  # of a study, and nets of its file: each takes a few ms to be queued
ALPHA = 1_000_000  # of a beta distribution: nearly every draw of it is a half
THREADS = 1_024
BATCH = 1_000_000  # images a step
PLAN_BYTES = 16 << 20  # of run.json, and of recipes, nets and studies as TOML
DOTS = 20_000_000  # squares of those in a line of TOML: Python's reader takes that of a key's parts
TENSOR_BYTES = 4 << 30  # of a checkpoint, or an ONNX file
WEIGHT_BYTES = 1 << 30  # of a file of weights: those of PARAMS, statistics, and what it tells
EXPORTED_BYTES = 4 << 30  # of the files of an exported net together: some ten seconds of hashing
EXPORTED = 1_000  # files of an exported net
KNOWN_BYTES = 1 << 26  # of what tells a run's pictures from others: ten a picture
OF_A_RUN = 10**10  # bytes of a data set that is fetched from the hub because a run names it
ROWS_BYTES = 1 << 30  # of rows as JSON lines
ROW = 1 << 24  # characters of a row or a job in a store

_OF_SYSTEMS = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/usr", "/var", "/home")
BOUNDLESS = "must be a folder of pictures, got a whole disk, home or system folder"
NUMBER = 1e300  # of any figure; whole numbers beyond it are no floats


def is_number(value: object) -> bool:
    """Tell whether a value from outside is a finite number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < NUMBER


def require_at_most(what: str, found: int, most: int) -> None:
    """Refuse what is too large.

    Raises:
        ValueError: Naming what it is, the limit and what was found.
    """
    if found > most:
        said = f"{found:,}" if found < 10**30 else "far more"
        raise ValueError(f"{what} must be at most {most:,}, got {said}")


def is_boundless(folder: Path) -> bool:
    """Tell whether a folder is a whole disk, a system's or somebody's home: hours to walk through.

    What lies in those of a system may be a data set; what holds a home is none.
    """
    place = folder.resolve()
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - Path's own fails without one
    return place in (Path(place.anchor), home, *home.parents) or str(place) in _OF_SYSTEMS


def content(path: Path, most: int) -> bytes:
    """Return what a file holds.

    Raises:
        ValueError: If it holds more than ``most`` bytes, or is no plain file.
        OSError: If it cannot be read.
    """
    status = path.stat()
    if not S_ISREG(status.st_mode):  # a pipe would be waited for, a device never ends
        raise ValueError("must be a file")
    require_at_most("bytes of a file", status.st_size, most)
    return path.read_bytes()


def toml_text(path: Path) -> str:
    """Return the text of a file of TOML, a recipe's, a net's or a study's.

    Raises:
        ValueError: If it is too large, no UTF-8, or has a key of too many parts.
        OSError: If it cannot be read.
    """
    text = content(path, PLAN_BYTES).decode()
    squares = sum(line.count(".") ** 2 for line in text.split("\n"))
    require_at_most("squares of the dots in lines of TOML", squares, DOTS)
    return text
