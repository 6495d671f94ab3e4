"""Builds the search index of a release: its tracks and artists by the words of their names.

The same names in the same order give the same bytes, as the name of a release follows from its content.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import tantivy

from serving_api.contract import SearchDescription, SearchField, SearchKind, joined_words, whole_name, words

# Words of a name after these are not indexed.
MOST_WORDS = 64
# The most that tantivy allows, and no more than the words take: what fits is written at once, as one segment, and so in
# the same way each time. 1 M names take 0.3 GB.
_MOST_MEMORY = 4_000_000_000
_META = "meta.json"


class Name(NamedTuple):
    """A track or an artist to be found by name."""

    kind: SearchKind
    key: int
    """Track key or artist key."""
    name: str
    artist: str | None
    """Of a track, the name of its artist; None where it is not known, and of artists."""
    listed: bool
    """Whether enough people heard it for it to be found by a part of its name."""


def _schema() -> tantivy.Schema:
    """The fields of the index, by the names of SearchField."""
    fields = tantivy.SchemaBuilder()
    fields.add_text_field(SearchField.WORDS, tokenizer_name="whitespace", index_option="basic")
    fields.add_unsigned_field(SearchField.WHOLE, indexed=True)
    fields.add_unsigned_field(SearchField.KIND, indexed=True, fast=True)
    fields.add_unsigned_field(SearchField.KEY, fast=True)
    fields.add_unsigned_field(SearchField.PLACE, fast=True)
    return fields.build()


def _document(name: Name, place: int) -> tantivy.Document | None:
    """A name as the index has it; None where it has no words."""
    own = words(name.name)[:MOST_WORDS]
    if not own:
        return None
    artist = words(name.artist)[:MOST_WORDS] if name.artist else []
    found = tantivy.Document()
    for whole in {whole_name(own), whole_name([*own, *artist])} | _joined_whole(name, own):
        found.add_unsigned(SearchField.WHOLE, whole)
    if name.listed:
        by = artist if name.kind is SearchKind.TRACK else own
        joined = [joined_words(by)] if len(by) > 1 else []
        found.add_text(SearchField.WORDS, " ".join(dict.fromkeys([*own, *artist, *joined])))
    found.add_unsigned(SearchField.KIND, name.kind)
    found.add_unsigned(SearchField.KEY, name.key)
    found.add_unsigned(SearchField.PLACE, place)
    return found


def _joined_whole(name: Name, own: list[str]) -> set[int]:
    """AC/DC is all of the name of who types acdc."""
    return {whole_name([joined_words(own)])} if name.kind is SearchKind.ARTIST else set()


@contextmanager
def built_index(names: Iterable[Name]) -> Iterator[tuple[SearchDescription, IO[bytes]]]:
    """The index of names, which come most popular first: what it is, and its bytes."""
    with TemporaryDirectory(prefix="audotics-search-") as folder:
        files, archive = Path(folder) / "index", Path(folder) / "index.zip"
        found, listed = _write(files, names)
        _pack(files, archive)
        with archive.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
            stream.seek(0)
            yield SearchDescription(found, listed, size, digest, f"tantivy {version('tantivy')}"), stream


def _write(folder: Path, names: Iterable[Name]) -> tuple[int, int]:
    """Write the files of the index; returns how many names it has, and how many of them are listed."""
    folder.mkdir()
    writer = tantivy.Index(_schema(), path=str(folder)).writer(heap_size=_MOST_MEMORY, num_threads=1)
    found = listed = 0
    for name in names:
        if (each := _document(name, found)) is not None:
            writer.add_document(each)
            found += 1
            listed += name.listed
    writer.commit()
    writer.wait_merging_threads()
    return found, listed


def _pack(folder: Path, archive: Path) -> None:
    """Put the files of an index into an archive, the same for the same names.

    tantivy draws the names of files; nothing that is in them is left to chance.
    """
    meta = (folder / _META).read_text()
    drawn = [each["segment_id"] for each in json.loads(meta)["segments"]]
    names = {segment: str(UUID(int=number)) for number, segment in enumerate(drawn)}
    with ZipFile(archive, "w", ZIP_DEFLATED, compresslevel=1) as packed:
        for segment, name in names.items():
            meta = meta.replace(segment, name)
            for file in sorted(folder.glob(f"{segment.replace('-', '')}.*")):
                entry = _entry(name.replace("-", "") + file.suffix)
                with file.open("rb") as content, packed.open(entry, "w", force_zip64=True) as stream:
                    shutil.copyfileobj(content, stream)
        packed.writestr(_entry(_META), meta)


def _entry(name: str) -> ZipInfo:
    """An entry of an archive as of no instant."""
    entry = ZipInfo(name)
    entry.compress_type = ZIP_DEFLATED
    return entry
