"""Archives of pictures are data, and what a stranger put into one does no harm."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from smidgen.data import DataError, archives, load
from smidgen.data.cache import cache_at


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 2 * shade, 0)).save(file, "png")
    return file.getvalue()


PICTURES = {
    f"{part}/{of}/{n}.png": picture(10 * n + len(part) + 5 * (of == "owl"))
    for part, count in (("train", 4), ("test", 2))
    for of in ("cat", "owl")
    for n in range(count)
}


def zipped(path: Path, held: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, held: Mapping[str, bytes], **other: object) -> Path:
    kind = {"tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(path.name.rpartition(".")[2], "w")
    with tarfile.open(path, kind) as archive:  # pyright: ignore[reportArgumentType, reportCallIssue]
        for name, content in held.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in other.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["a.zip", "b.ZIP", "c.tar", "d.tgz", "e.tar.bz2", "f.tar.xz"])
def test_an_archive_is_the_folder_in_it(name: str, tmp_path: Path) -> None:
    pack = zipped if name.casefold().endswith("zip") else tarred
    for place, content in PICTURES.items():
        (path := tmp_path / "plain" / place).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    beside = {"__MACOSX/cat/._0.png": b"?", "train/cat/.DS_Store": b"?"}
    inside = {f"top/{place}": content for place, content in {**PICTURES, **beside}.items()}
    data = load(pack(tmp_path / name, inside), cache_dir=tmp_path / "cache")
    assert data.fingerprint == load(tmp_path / "plain", cache_dir=tmp_path / "cache").fingerprint
    assert data.name == name[0]
    assert data.origin.startswith(str(tmp_path / name))


def test_an_archive_is_unpacked_once_and_anew_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_at(tmp_path / "cache")
    path = zipped(tmp_path / "a.zip", PICTURES)
    first = archives.unpacked(path, cache)
    with monkeypatch.context() as patch:
        patch.setattr(archives, "_unpack", None)
        assert archives.unpacked(path, cache) == first
    second = archives.unpacked(zipped(path, {**PICTURES, "train/cat/new.png": picture(99)}), cache)
    assert second != first
    assert (second / "train" / "cat" / "new.png").is_file()
    assert sorted(p.name for p in (tmp_path / "cache" / "archives").iterdir()) == sorted(
        (first.name, second.name)
    )


@pytest.mark.parametrize(
    "name", ["../out.png", "/out.png", "cat/../../out.png", "C:/out.png", "..\\out.png"]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_nothing_leaves_the_folder(
    pack: Callable[[Path, Mapping[str, bytes]], Path], name: str, tmp_path: Path
) -> None:
    path = pack(tmp_path / f"a.{pack.__name__[:3]}", {**PICTURES, name: picture(1)})
    with pytest.raises(DataError, match="leads out of its folder"):
        load(path, cache_dir=tmp_path / "deep" / "cache")
    assert [*tmp_path.rglob("out.png")] == []
    assert [*(tmp_path / "deep" / "cache" / "archives").iterdir()] == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"cat/0.png": b""}, type=kind, linkname="/etc/passwd")
    with pytest.raises(DataError, match=r"holds 'cat/0.png', which is a link or a device: unpack"):
        load(path, cache_dir=tmp_path / "cache")


def test_an_encrypted_one_is_named_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", PICTURES)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1  # of the first member in the directory
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted: unpack it with its password"):
        load(path, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar.xz", "a.tar.bz2", "a.tar"])
@pytest.mark.parametrize("cut", [0.0, 0.3, 0.5])
def test_a_broken_one_is_told_in_one_line(name: str, cut: float, tmp_path: Path) -> None:
    path = (zipped if name.endswith("zip") else tarred)(tmp_path / name, PICTURES)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(DataError, match=r"^[^\n]*a\.[^\n]*$"):
        load(path, cache_dir=tmp_path / "cache")


def test_what_unpacks_to_too_much_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {**PICTURES, "train/cat/large.bmp": bytes(1 << 20)}
    monkeypatch.setattr(archives, "VALUES", 1 << 20)
    for path in (zipped(tmp_path / "a.zip", held), tarred(tmp_path / "b.tgz", held)):
        with pytest.raises(DataError, match="unpacks to more than the 1 MB that a data set may"):
            load(path, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(archives, "ARCHIVED", 3)
    for path in (zipped(tmp_path / "a.zip", PICTURES), tarred(tmp_path / "b.tgz", PICTURES)):
        with pytest.raises(DataError, match="must hold at most 3 files"):
            load(path, cache_dir=tmp_path / "cache")


def test_a_header_that_memory_does_not_hold_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    (path := tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"has a header of 4,294,967,\d+ bytes"):
        load(path, cache_dir=tmp_path / "cache")


def test_names_of_macos_are_utf8_though_nothing_says_so(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "a.zip", {p.replace("cat", "kätzchen"): c for p, c in PICTURES.items()}
    )
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            (said,) = struct.unpack_from("<H", content, at + flags)
            struct.pack_into("<H", content, at + flags, said & ~(1 << 11))
    path.write_bytes(content)
    assert load(path, cache_dir=tmp_path / "cache").classes == ("kätzchen", "owl")


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match=r"cannot be unpacked to .*; unpack it and name the folder"):
        load(zipped(tmp_path / "a.zip", PICTURES), cache_dir=tmp_path / "cache")
