"""What is found at a path, an address, a pattern and in archives."""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from assets.ingest.listing import list_files
from tests.input_files import input_file
from warehouse.errors import AudoticsError

CONTENT = b"u,t,id\nada,1400000000,x\n"


def _touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(CONTENT)


def _zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, CONTENT)
    return path


def _tar(path: Path, *names: str, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(CONTENT)
            archive.addfile(member, io.BytesIO(CONTENT))
    return path


def _relative(given: Path | str) -> list[str]:
    return [file.relative for file in list_files(given).files]


@pytest.fixture
def store() -> Iterator[str]:
    """The address of a folder in a store in memory: what holds there holds for every fsspec driver."""
    filesystem = fsspec.filesystem("memory")
    yield "memory://bucket/exports"
    filesystem.rm("/bucket", recursive=True)


def test_a_file_is_itself_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / ".scrobbler.log"
    _touch(path)
    file = input_file(path)
    assert (file.shown, file.name, file.relative, file.is_named) == (str(path), path.name, path.name, True)
    assert file.address == str(path.resolve())


def test_a_folder_gives_its_files_by_path_without_hidden_ones(tmp_path: Path) -> None:
    names = ("b.csv", "a/b.csv", "a.csv", ".upload", ".tmp/c.csv", "a/.c.csv")
    _touch(*(tmp_path / name for name in names))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    listing = list_files(f"{tmp_path}/")
    assert [file.relative for file in listing.files] == ["a/b.csv", "a.csv", "b.csv"]
    assert [file.shown for file in listing.files] == [f"{tmp_path}/{file.relative}" for file in listing.files]
    assert not any(file.is_named for file in listing.files)
    assert listing.given == f"the folder {tmp_path}"


def test_names_are_shown_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "exports" / "a.csv")
    monkeypatch.chdir(tmp_path)
    for given in ("exports", "exports/a.csv", "exports/*.csv"):
        (file,) = list_files(given).files
        assert (file.shown, file.address) == ("exports/a.csv", os.path.realpath("exports/a.csv")), given


@pytest.mark.parametrize("make", [_zip, _tar])
def test_the_files_of_an_archive_are_files_of_their_own(tmp_path: Path, make) -> None:
    path = make(
        tmp_path / ("x.zip" if make is _zip else "x.tar"), "My Data/b.json", "My Data/a.json", "._a.json", "c.csv"
    )
    listing = list_files(path)
    assert listing.given == f"the archive {path}"
    assert [file.shown for file in listing.files] == [
        f"{path}/{name}" for name in ("My Data/a.json", "My Data/b.json", "c.csv")
    ]
    assert [file.relative for file in listing.files] == ["My Data/a.json", "My Data/b.json", "c.csv"]
    assert listing.files[0].address == f"{path.resolve()}/My Data/a.json"
    assert [file.in_archive for file in listing.files] == [True] * 3
    # Out of order as well, although one stream of the archive gives them all.
    for file in reversed(listing.files):
        with file.open() as stream:
            assert stream.read(1000) == CONTENT


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz", "X.TAR.GZ"])
def test_a_tar_may_be_compressed(tmp_path: Path, name: str) -> None:
    mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[name.lower().rpartition(".")[2]]
    path = _tar(tmp_path / name, "./b.csv", "./a.csv", mode=mode)
    assert _relative(path) == ["a.csv", "b.csv"]
    assert [file.sha256() for file in list_files(path).files] == [input_file(_plain(tmp_path)).sha256()] * 2


def _plain(folder: Path) -> Path:
    path = folder / "plain.csv"
    path.write_bytes(CONTENT)
    return path


def test_archives_in_a_folder_count_as_folders_and_a_damaged_one_hides_no_other_file(tmp_path: Path) -> None:
    _touch(tmp_path / "b.csv")
    _zip(tmp_path / "a.zip", "2024/x.csv")
    (tmp_path / "c.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-30])
    listing = list_files(tmp_path)
    assert [file.relative for file in listing.files] == ["a.zip/2024/x.csv", "b.csv"]
    (error,) = listing.damaged
    assert str(error).startswith(f"{tmp_path}/c.zip is damaged")


def test_a_path_may_go_on_into_an_archive(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", "MyData/a.json", "MyData/b.json", "c.json")
    assert _relative(path / "MyData") == ["MyData/a.json", "MyData/b.json"]
    (file,) = list_files(path / "MyData" / "b.json").files
    assert (file.is_named, file.shown) == (True, f"{path}/MyData/b.json")
    with pytest.raises(AudoticsError, match=r"the archive .*x\.zip has no file or folder MyData/z\.json"):
        list_files(path / "MyData" / "z.json")


def test_a_pattern_gives_what_matches_and_a_file_of_that_very_name_goes_first(tmp_path: Path) -> None:
    _touch(*(tmp_path / name for name in ("a1.csv", "a2.csv", "b1.csv", ".a3.csv", "sub/a4.csv")))
    assert _relative(tmp_path / "a*.csv") == ["a1.csv", "a2.csv"]
    assert _relative(tmp_path / "[ab]1.csv") == ["a1.csv", "b1.csv"]
    assert _relative(tmp_path / "**" / "a?.csv") == ["a1.csv", "a2.csv", "a4.csv"]
    assert _relative(tmp_path / ".a*") == [".a3.csv"]
    assert _relative(tmp_path / "su*") == ["a4.csv"]
    _touch(tmp_path / "a[1].csv")
    assert _relative(tmp_path / "a[1].csv") == ["a[1].csv"]
    with pytest.raises(AudoticsError, match="no file matches"):
        list_files(tmp_path / "c*.csv")


def test_an_address_is_read_as_a_folder_of_this_machine_is(tmp_path: Path, store: str) -> None:
    filesystem = fsspec.filesystem("memory")
    archive = _zip(tmp_path / "x.zip", "a.json").read_bytes()
    for name, content in {"b.csv": CONTENT, "2024/a.csv": CONTENT, ".part": CONTENT, "x.zip": archive}.items():
        filesystem.pipe(f"/bucket/exports/{name}", content)
    listing = list_files(store)
    assert [file.relative for file in listing.files] == ["2024/a.csv", "b.csv", "x.zip/a.json"]
    assert [file.shown for file in listing.files] == [f"{store}/{file.relative}" for file in listing.files]
    assert listing.files[0].address == "memory:///bucket/exports/2024/a.csv"
    assert {file.sha256() for file in listing.files} == {input_file(_plain(tmp_path)).sha256()}
    assert _relative(f"{store}/*.csv") == ["b.csv"]
    assert _relative(f"{store}/x.zip/a.json") == ["a.json"]
    assert [file.is_named for file in list_files(f"{store}/b.csv").files] == [True]
    with pytest.raises(AudoticsError, match=f"no file or folder {store}/nope"):
        list_files(f"{store}/nope")


def test_an_address_without_driver_is_one_line() -> None:
    with pytest.raises(AudoticsError, match=r"cannot read nowhere://bucket: .*install its fsspec driver") as raised:
        list_files("nowhere://bucket")
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "closed" / "a.csv")
    scan = os.scandir

    def refused(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(AudoticsError, match=r"cannot read .*closed: Permission denied"):
        list_files(tmp_path)


def test_names_that_are_not_utf_8_can_be_printed_and_stored(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_bytes(CONTENT)
    (file,) = list_files(tmp_path).files
    assert (file.name, file.address.encode()) == ("caf\\udce9.csv", f"{tmp_path.resolve()}/caf\\udce9.csv".encode())
    with file.open() as stream:
        assert stream.read(1000) == CONTENT
