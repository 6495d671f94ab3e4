"""Addresses of Google's store, behind a file system in memory that tells of its objects what the driver gcsfs tells."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from assets.ingest.formats.recognise import recognise
from assets.ingest.landing_files import list_landing
from assets.ingest.listing import list_files
from assets.ingest.preview import preview_files
from warehouse.errors import AudoticsError

HEADER = b"uts,artist,track\n"


class Objects(MemoryFileSystem):
    """Buckets without folders; every object has a generation, which counts how often it was written."""

    protocol = "gs"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    written: dict[str, int] = {}  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return str(super()._strip_protocol(str(path).removeprefix("gs://")))

    def unstrip_protocol(self, name: str) -> str:
        return f"gs://{self._strip_protocol(name).lstrip('/')}"

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        path = self._strip_protocol(path)
        self.written[path] = self.written.get(path, 0) + 1
        super().pipe_file(path, value, **options)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return self._told(super().info(path, **options))

    def find(self, path: str, *places: Any, **options: Any) -> Any:
        found = super().find(path, *places, **options)
        return {path: self._told(info) for path, info in found.items()} if options.get("detail") else found

    def _told(self, info: dict[str, Any]) -> dict[str, Any]:
        return info | {"generation": str(self.written[info["name"]])} if info["type"] == "file" else info


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    monkeypatch.setitem(_registry, "gs", Objects)
    yield Objects()
    Objects.store.clear()
    Objects.written.clear()


def test_files_folders_and_archives_are_read_from_their_addresses(store: Objects) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.csv", HEADER + b"1400000300,Deep Dish,Roads\n")
    store.pipe_file("exports/ada/a.csv", HEADER + b"1400000000,Deep Dish,Roads\n")
    store.pipe_file("exports/ada/b.zip", packed.getvalue())
    found = recognise("gs://exports/ada", user="ada")
    previews = preview_files(found.source, [found.listing], [])
    addresses = ["gs://exports/ada/a.csv", "gs://exports/ada/b.zip/x.csv"]
    assert [(each.file, each.listens) for each in previews] == [(address, 1) for address in addresses]
    with pytest.raises(AudoticsError, match="no file or folder gs://exports/none"):
        list_files("gs://exports/none.csv")


def test_what_is_replaced_shows_by_its_generation(store: Objects) -> None:
    store.pipe_file("exports/landing/lastfm/ada/a.csv", HEADER)
    (file,), (landed,) = list_files("gs://exports/landing").files, list_landing("gs://exports/landing")
    before = file.stamp()
    assert before.is_settled(0.0), "a generation tells any change, however soon"
    store.pipe_file("exports/landing/lastfm/ada/a.csv", HEADER)
    assert file.stamp().version != before.version
    (again,) = list_landing("gs://exports/landing")
    assert (again.relative, again.stamp != landed.stamp) == ("lastfm/ada/a.csv", True)
