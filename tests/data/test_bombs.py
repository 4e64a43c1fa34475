"""Files that are small and say, or unpack to, what no memory holds are refused in one line."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.waiting import PATIENCE

ROOM = 1 << 30  # bytes of address space beyond what the program itself takes
SCRIPT = f"""
import resource, sys, warnings
import smidgen.config, smidgen.model, smidgen.run
from smidgen.data import load
from smidgen.data.decode import open_picture
import pyarrow, pyarrow.parquet, PIL.Image
PIL.Image.init()
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + {ROOM}, held + {ROOM}))
for path in sys.argv[1:]:
    try:
        if path.endswith((".png", ".ppm", ".tif")):
            open_picture(path)
        elif path.endswith(".toml"):
            smidgen.config.load_net(path)
        elif path.endswith("/run"):
            smidgen.run.load_run(path)
        elif path.endswith(".onnx"):
            smidgen.model.load(path)
        else:
            load(path, cache_dir=sys.argv[1] + ".cache")
        print("taken")
    except Exception as error:
        print(type(error).__name__, str(error).replace("\\n", "\\\\n"))
"""


def npy(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    file = io.BytesIO()
    form = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, form)
    return file.getvalue()


def npz_that_says_too_much(at: Path) -> Path:
    path = at / "says.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", npy((10**9, 28, 28)) + b"\0" * 100)
        file.writestr("labels.npy", npy((10**9,)) + b"\0" * 100)
    return path


def npz_that_unpacks_to_too_much(at: Path) -> Path:
    path = at / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("images.npy", "w", force_zip64=True) as inside:
            inside.write(npy((9 << 10, 1024, 1024)))
            for _ in range(9):
                inside.write(bytes(1 << 20))
        file.writestr("labels.npy", npy((9 << 10,)))
    return path


def npz_of_many(at: Path, name: str, **arrays: bytes) -> Path:
    path = at / f"{name}.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for array, content in arrays.items():
            file.writestr(f"{array}.npy", content)
    return path


def npz_of_many_pictures(at: Path) -> Path:
    count = (1 << 26) + 1
    images, labels = npy((count, 1, 1)) + bytes(count), npy((count,)) + bytes(count)
    return npz_of_many(at, "many", images=images, labels=labels)


def npz_of_many_classes(at: Path) -> Path:
    held = {"images": npy((2, 1, 1)) + b"\0\1", "labels": npy((2,)) + b"\0\1"}
    return npz_of_many(at, "names", **held, classes=npy((1 << 28,), "|S0"))


def npy_that_says_too_much(at: Path) -> Path:
    folder = at / "arrays"
    folder.mkdir()
    (folder / "X.npy").write_bytes(npy((10**9, 28, 28)))
    (folder / "y.npy").write_bytes(npy((10**9,)))
    return folder


def idx(at: Path, sides: tuple[int, ...], content: bytes) -> Path:
    head = b"\0\0\x08" + bytes([len(sides)]) + struct.pack(f">{len(sides)}I", *sides)
    at.mkdir()
    (at / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + content, 1))
    (at / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02\0\1"))
    return at


def idx_that_says_too_much(at: Path) -> Path:
    return idx(at / "says", (2**32 - 1, 28, 28), b"\0" * 1000)


def idx_that_unpacks_to_more_than_it_says(at: Path) -> Path:
    return idx(at / "bomb", (2, 8, 8), bytes(1 << 26))


def parquet_of_one_picture_many_times(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = at / "bomb.parquet"
    picture = pa.array([bytes(1 << 20)], pa.binary())
    index = pa.array(np.zeros(20_000, np.int32))
    images = pa.DictionaryArray.from_arrays(index, picture)
    labels = pa.array(np.arange(20_000) % 2)
    pq.write_table(pa.table({"image": images, "label": labels}), path, store_schema=False)
    assert path.stat().st_size < 1 << 22
    return path


def parquet_of_long_labels_many_times(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = at / "labels.parquet"
    texts = pa.array(["x" * (1 << 20), "y" * (1 << 20)])
    labels = pa.DictionaryArray.from_arrays(pa.array(np.arange(1_500) % 2, pa.int32()), texts)
    images = pa.array([None] * 1_500, pa.binary())
    pq.write_table(pa.table({"image": images, "label": labels}), path, compression="zstd")
    assert path.stat().st_size < 1 << 10
    return path


def parquet_of_one_long_picture(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = at / "long.parquet"
    index = pa.array(np.zeros(1_000, np.int32))
    images = pa.DictionaryArray.from_arrays(index, pa.array([bytes(3_000_000)], pa.binary()))
    table = pa.table({"image": images, "label": pa.array(np.arange(1_000) % 2)})
    pq.write_table(table, path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 1 << 11
    return path


def parquet_of_one_picture_in_a_dictionary(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = at / "inside.parquet"
    picture, index = pa.array([bytes(1 << 20)], pa.binary()), np.zeros(1_500, np.int32)
    held = pa.DictionaryArray.from_arrays(pa.array(index), picture)
    names = pa.array(["a.png"] * 1_500)
    images = pa.StructArray.from_arrays([held, names], ["bytes", "path"])
    labels = pa.array(np.arange(1_500) % 2)
    pq.write_table(pa.table({"image": images, "label": labels}), path, compression="zstd")
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def picture_of_too_many_pixels(at: Path) -> Path:
    path = at / "large.png"
    head = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data))
    return path


def transparent_pictures_of_too_many_pixels(at: Path) -> Path:
    folder = at / "clear"
    head = struct.pack(">IIBBBBB", 14_000, 14_000, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        (folder / name / "large.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data)
        )
    return folder


def picture_whose_text_unpacks(at: Path) -> Path:
    path = at / "text.png"
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    text = b"a\0\0" + zlib.compress(bytes(1 << 26), 1)
    data = zlib.compress(bytes(9 * 8))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"zTXt", text) + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )  # fmt: skip
    return path


def picture_that_says_too_much(at: Path) -> Path:
    path = at / "large.ppm"
    path.write_bytes(b"P6\n2000000000 2000000000\n255\n" + bytes(100))
    return path


def picture_that_is_a_large_file(at: Path) -> Path:
    path = at / "large.tif"
    with path.open("wb") as file:
        file.write(b"II*\0")
        file.truncate(1 << 40)
    return path


def net(at: Path, *layers: str, shape: tuple[int, ...] = (1, 28, 28)) -> Path:
    path = at / f"net-{abs(hash(layers))}.toml"
    path.write_text(f"input = {list(shape)}\nlayers = {json.dumps(layers)}\n")
    return path


def net_of_many_channels(at: Path) -> Path:
    return net(at, "conv(1000000000)", "global-average-pool", "classifier(10)")


def net_of_many_layers(at: Path) -> Path:
    return net(at, *["conv(4)"] * 100_000, "global-average-pool", "classifier(10)")


def net_of_many_nests(at: Path) -> Path:
    held = f"residual({', '.join(['conv(1)'] * 990)})"
    return net(at, *[held] * 990, "global-average-pool", "classifier(10)")


def net_of_much_repetition(at: Path) -> Path:
    return net(
        at, "conv(4)", "repeat(conv(4), times=1000000)", "global-average-pool", "classifier(10)"
    )


def net_of_a_thousand_signs(at: Path) -> Path:
    return net(at, f"conv({'-' * 9_000}1)", "global-average-pool", "classifier(10)")


def net_of_many_signs(at: Path) -> Path:
    return net(at, f"conv({'-' * 100_000}1)", "global-average-pool", "classifier(10)")


def net_of_a_sum(at: Path) -> Path:
    return net(at, f"conv({'1+' * 4_000}1)", "global-average-pool", "classifier(10)")


def net_of_a_large_picture(at: Path) -> Path:
    return net(at, "conv(4)", "global-average-pool", "classifier(2)", shape=(3, 10**9, 10**9))


def net_of_a_key_of_many_parts(at: Path) -> Path:
    path = at / "dots.toml"
    path.write_text(f"a{'.a' * 2_000_000} = 1\n")
    return path


def net_of_many_keys_of_many_parts(at: Path) -> Path:
    path = at / "keys.toml"
    path.write_text("".join(f"[t{n}]\na{'.a' * 998} = 1\n" for n in range(8_000)))
    return path


def net_without_end(at: Path) -> Path:
    path = at / "zero.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    return path


def run_of_a_huge_plan(at: Path) -> Path:
    folder = at / "plan" / "run"
    folder.mkdir(parents=True)
    with (folder / "run.json").open("wb") as file:
        file.truncate(1 << 40)
    return folder


def onnx_without_end(at: Path) -> Path:
    path = at / "large.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    return path


def table_without_end(at: Path) -> Path:
    folder = at / "table"
    folder.mkdir()
    with (folder / "labels.csv").open("wb") as file:
        file.truncate(1 << 40)
    return folder


def table_of_one_long_label(at: Path) -> Path:
    folder = at / "label"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    rows = ["file_name,label", f"a.png,{'x' * 100_000}", *["b.png,y"] * 10_000]
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def table_of_many_rows(at: Path) -> Path:
    folder = at / "rows"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    (folder / "labels.csv").write_text("file_name,label\n" + "a,b\n" * (1 << 20) + "a,b\n")
    return folder


def table_of_many_values(at: Path) -> Path:
    folder = at / "values"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    text = '{"files": [' + "{}," * (1 << 23) + "{}]}"
    (folder / "info.labels").write_text(text)
    return folder


def table_of_pixels_without_end(at: Path) -> Path:
    path = at / "pixels.csv"
    with path.open("wb") as file:
        file.write(b"label" + b"".join(b",pixel%d" % i for i in range(64)) + b"\n")
        file.write(b"0" + b",1" * 64 + b"\n")
        file.truncate(1 << 40)
    return path


def table_of_many_columns(at: Path) -> Path:
    path = at / "wide.csv"
    path.write_text(f"file_name,label{''.join(f',c{number}' for number in range(200_000))}\n")
    return path


BOMBS: dict[Callable[[Path], Path], str] = {
    npz_that_says_too_much: "says that it holds 785,",
    npy_that_says_too_much: "arrays cannot be read as arrays",
    npz_that_unpacks_to_too_much: "says that it holds 9,6",
    npz_of_many_pictures: "must have at most 67,108,864 pictures, got 67,108,865",
    npz_of_many_classes: "names of classes in 'classes' must be at most 65,535, got 268,435,456",
    idx_that_says_too_much: "says that it holds 3,367,254,359,280 bytes, too many",
    idx_that_unpacks_to_more_than_it_says: "must hold 128 bytes of values, got 129",
    parquet_of_one_picture_many_times: "bomb.parquet",
    parquet_of_one_long_picture: "more than 67,108,864 bytes in its column 'image', too many",
    parquet_of_long_labels_many_times: "labels.parquet row 0 is no readable picture: there is none",
    parquet_of_one_picture_in_a_dictionary: "inside.parquet must be plain, got struct<bytes: dict",
    transparent_pictures_of_too_many_pixels: "196 megapixels, of at most 64",
    picture_of_too_many_pixels: "100 megapixels, of at most 64",
    picture_whose_text_unpacks: "no readable picture",
    picture_that_says_too_much: "4000000000000000000 pixels",
    picture_that_is_a_large_file: "bytes of a file must be at most",
    net_of_many_channels: "at most",
    net_of_many_layers: "at most",
    net_of_many_nests: "layers of a net must be at most 1,000, got 1,980",
    net_of_much_repetition: "at most",
    net_of_a_thousand_signs: "conv",
    net_of_many_signs: "at most",
    net_of_a_sum: "conv",
    net_of_a_large_picture: "at most",
    net_of_a_key_of_many_parts: "squares of the dots in lines of TOML must be at most 20,000,000",
    net_of_many_keys_of_many_parts: "lines of TOML must be at most 20,000,000, got 7,968,032,000",
    net_without_end: "bytes of a file must be at most",
    run_of_a_huge_plan: "bytes of a file must be at most",
    onnx_without_end: "bytes of a file must be at most",
    table_without_end: "labels.csv",
    table_of_one_long_label: "10,000 of 10,001 pictures are not there",
    table_of_many_rows: "must have at most 1,048,576 rows of 2 cells beside so few pictures",
    table_of_many_values: "info.labels must hold at most 16,777,216 values beside so few pictures",
    table_of_many_columns: "must have at most 10,000 columns, got 200,002",
    table_of_pixels_without_end: "bytes of a table of pixels must be at most",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what comes of each bomb in one process that has a gigabyte to itself."""
    pytest.importorskip("pyarrow")
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux, which tells how much a process holds")
    at = tmp_path_factory.mktemp("bombs")
    paths = [str(make(at)) for make in BOMBS]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *paths],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
        # Arrow's own allocator takes a gigabyte of addresses ahead, where there is as much
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
    )
    lines = done.stdout.splitlines()
    return {make.__name__: line for make, line in zip(BOMBS, lines, strict=True)}


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bomb_is_one_line_and_takes_no_memory(
    bomb: Callable[[Path], Path], said: dict[str, str]
) -> None:
    kind, _, line = said[bomb.__name__].partition(" ")
    assert kind in ("DataError", "ValueError", "RunError"), said[bomb.__name__]
    assert BOMBS[bomb] in line
    assert "\\n" not in line
