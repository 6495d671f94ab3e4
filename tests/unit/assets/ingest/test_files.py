"""Bytes of input files: compression, archives, damage, digests and what shows a change."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import NoCredentialsError

from assets.ingest.files import InputFile
from assets.ingest.lines import read_lines
from assets.ingest.listing import list_files
from assets.ingest.parquet import read_parquet
from assets.ingest.streams import driver_named
from tests.input_files import input_file
from warehouse.errors import AudoticsError

# Does not compress well, so that what is cut off is missing.
CONTENT = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\n" for number in range(4_000))


def _zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(content)
    return sink.getvalue().to_pybytes()


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "a.csv": bytes,
    "a.csv.gz": gzip.compress,
    "a.csv.bz2": bz2.compress,
    "a.csv.xz": lzma.compress,
    "a.csv.zst": _zstd,
    "A.CSV.GZ": gzip.compress,
}


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return packed.getvalue()


def _tarred(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "x.zip": _zipped,
    "x.tar": _tarred,
    "x.tar.gz": lambda content: gzip.compress(_tarred(content)),
    "x.tar.zst": lambda content: _zstd(_tarred(content)),
}
PACKED = COMPRESSED | ARCHIVES


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _content(file: InputFile, size: int = 1 << 30) -> bytes:
    with file.open() as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("name", PACKED)
def test_whatever_it_is_packed_in_the_same_bytes_come_out(tmp_path: Path, name: str) -> None:
    file = input_file(_write(tmp_path, name, PACKED[name](CONTENT)))
    assert _content(file) == CONTENT
    assert file.plain_name.lower() == "a.csv"


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zst"])
def test_compressed_files_put_one_after_the_other_are_one_file(tmp_path: Path, name: str) -> None:
    packed = COMPRESSED[name](CONTENT) + COMPRESSED[name](b"the end\n")
    assert _content(input_file(_write(tmp_path, name, packed))) == CONTENT + b"the end\n"


@pytest.mark.parametrize("name", PACKED)
def test_a_read_gives_all_that_was_asked_for_until_the_end(tmp_path: Path, name: str) -> None:
    file, size = input_file(_write(tmp_path, name, PACKED[name](CONTENT))), 9_991
    with file.open() as stream:
        parts = list(iter(lambda: stream.read(size), b""))
        assert stream.done == 1.0
    assert [len(part) for part in parts[:-1]] == [size] * (len(CONTENT) // size)


@pytest.mark.parametrize("name", PACKED)
def test_how_far_a_file_is_read_grows_with_what_is_read(tmp_path: Path, name: str) -> None:
    file = input_file(_write(tmp_path, name, PACKED[name](CONTENT)))
    done = [batch.done for batch in read_lines(file, block_bytes=20_000)]
    assert done == sorted(done)
    # These two are decompressed in larger pieces than this file has.
    in_one_piece = name.endswith((".csv.bz2", ".csv.zst"))
    assert (0.0 < done[0] < (1.1 if in_one_piece else 0.5), done[-1]) == (True, 1.0)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("name", [name for name in PACKED if name != "a.csv"])
def test_what_is_cut_off_is_damaged_and_named_with_its_place(tmp_path: Path, name: str, kept: float) -> None:
    packed = PACKED[name](CONTENT)
    path = _write(tmp_path, name, packed[: int(len(packed) * kept)])
    with pytest.raises(AudoticsError, match=rf"{name} is damaged.*; fetch or compress it again") as raised:
        _content(input_file(path), 10_000)
    assert "\n" not in str(raised.value)
    if name in COMPRESSED:
        told = re.search(r"is damaged after ([\d,]+) of its ([\d,]+) bytes", str(raised.value))
        assert told is not None
        place, size = (int(number.replace(",", "")) for number in told.groups())
        assert place == size == path.stat().st_size


@pytest.mark.parametrize("name", [name for name in PACKED if name != "a.csv"])
def test_what_is_not_packed_as_its_name_says_is_damaged(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudoticsError, match=f"{name} is damaged"):
        _content(input_file(_write(tmp_path, name, b"plain text\n" * 1000)))


def test_a_tar_that_is_cut_between_two_files_is_damaged(tmp_path: Path) -> None:
    first, second = _tarred(b"x" * 512)[:1024], _tarred(b"y" * 512)
    for content in (first, first + b"?" * 512 + second[512:], first + second[:200]):
        with pytest.raises(AudoticsError, match=r"x\.tar is damaged"):
            list_files(_write(tmp_path, "x.tar", content))
    assert len(list_files(_write(tmp_path, "x.tar", first + bytes(512))).files) == 1


def test_bytes_that_changed_in_a_zip_are_damaged(tmp_path: Path) -> None:
    packed = bytearray(_zipped(CONTENT))
    packed[len(packed) // 2] ^= 1
    with pytest.raises(AudoticsError, match=r"x\.zip/a\.csv is damaged"):
        _content(input_file(_write(tmp_path, "x.zip", bytes(packed))))


def test_an_encrypted_file_in_a_zip_says_so(tmp_path: Path) -> None:
    packed = bytearray(_zipped(b"x"))
    # The flag in the file's own header and in the directory.
    packed[6] |= 1
    packed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(AudoticsError, match=r"x\.zip/a\.csv is encrypted; unpack the archive with its password"):
        input_file(_write(tmp_path, "x.zip", bytes(packed))).open()


def test_a_file_in_an_archive_has_the_digest_of_the_unpacked_one_and_any_other_that_of_its_bytes(
    tmp_path: Path,
) -> None:
    for name in ARCHIVES:
        assert input_file(_write(tmp_path, name, ARCHIVES[name](CONTENT))).sha256() == (
            hashlib.sha256(CONTENT).hexdigest()
        )
    for name in COMPRESSED:
        path = _write(tmp_path, name, COMPRESSED[name](CONTENT))
        assert input_file(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_compressed_file_in_an_archive_is_decompressed_and_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    inner = gzip.compress(CONTENT)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("2024/a.csv.gz", inner)
    assert _content(input_file(path)) == CONTENT
    assert input_file(path).sha256() == hashlib.sha256(inner).hexdigest()


@pytest.mark.parametrize("given", ["a.csv", "x.zip"])
def test_a_stamp_shows_a_change_of_size_or_time(tmp_path: Path, given: str) -> None:
    path = _write(tmp_path, given, PACKED[given](CONTENT))
    file = input_file(path)
    before = file.stamp()
    assert (file.stamp(), before.size) == (before, len(CONTENT))
    os.utime(path, ns=(0, 1))
    assert file.stamp() != before


def test_a_stamp_shows_that_an_object_in_a_store_was_replaced() -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe("/stamps/a.csv", b"one")
    file = input_file("memory://stamps/a.csv")
    before = file.stamp()
    assert file.stamp() == before
    filesystem.pipe("/stamps/a.csv", b"two")
    assert file.stamp() != before
    filesystem.rm("/stamps", recursive=True)


@pytest.mark.parametrize("name", ["a.csv", "x.zip"])
def test_what_lies_beside_a_file_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in ("set/a.csv", "set/b.csv", "c.csv"):
            archive.writestr(member, b"x")
            (tmp_path / member).parent.mkdir(exist_ok=True)
            (tmp_path / member).write_bytes(b"x")
    file = input_file((path if name == "x.zip" else tmp_path) / "set" / "a.csv")
    beside = file.beside("b.csv")
    assert beside is not None
    assert beside.shown == file.shown.replace("a.csv", "b.csv")
    assert _content(beside) == b"x"
    assert file.beside("c.csv") is None


@pytest.mark.parametrize("pack", [bytes, gzip.compress, _zipped])
def test_parquet_is_read_wherever_it_lies(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plain = io.BytesIO()
    pq.write_table(pa.table({"u": ["ada", "bob"]}), plain)
    name = {bytes: "a.parquet", gzip.compress: "a.parquet.gz", _zipped: "x.zip"}[pack]
    path = _write(tmp_path, name, pack(plain.getvalue()))
    store = fsspec.filesystem("memory")
    store.pipe(f"/parquet/{name}", path.read_bytes())
    for given in (str(path), f"memory://parquet/{name}"):
        (batch,) = read_parquet(input_file(given), {"user_id": "u"})
        assert batch.rows["user_id"].to_pylist() == ["ada", "bob"], given
    store.rm("/parquet", recursive=True)


def test_an_archive_is_opened_once_for_all_its_files_and_no_more_than_one_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    zip_file = zipfile.ZipFile

    def noted(stream: object) -> zipfile.ZipFile:
        opened.append("zip")
        return zip_file(stream)

    monkeypatch.setattr("assets.ingest.archives.zipfile.ZipFile", noted)
    for number in range(3):
        packed = io.BytesIO()
        with zip_file(packed, "w") as archive:
            for name in ("a.csv", "b.csv"):
                archive.writestr(name, CONTENT[:100])
        _write(tmp_path, f"{number}.zip", packed.getvalue())
    files = list_files(tmp_path).files
    assert [_content(file) for file in files] == [CONTENT[:100]] * 6
    # Once to list, once to read.
    assert len(opened) == 6
    open_now = [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]
    assert len(open_now) == 1


def test_only_what_the_client_of_a_store_raises_is_taken_for_a_fault_of_the_store() -> None:
    with pytest.raises(AudoticsError, match=r"cannot read s3://exports: .*credentials"), driver_named("s3://exports"):
        raise NoCredentialsError
    for error in (ValueError("a mistake of ours"), FileNotFoundError("exports")):
        with pytest.raises(type(error)), driver_named("s3://exports"):
            raise error
