"""The search index of a release: how it is cut into parts, what is in it, and by whom it can be read."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import IO

import orjson
from pydantic import TypeAdapter, ValidationError

from serving_api.contract.version import ContractError

# An index of another format, or one whose names were made into words by other rules, must not be read.
SEARCH_FORMAT = 1
# Redis answers nobody else while it hands out a value.
SEARCH_PART_BYTES = 4 << 20
# Of a description that is damaged, not of any catalogue: that many bytes hold some 50 million names.
MOST_SEARCH_BYTES = 4 << 30


class SearchField(StrEnum):
    """The fields of a document of the index: a track or an artist."""

    WORDS = "words"
    """Words of the name, and of a track those of its artist; none where fewer than 3 people heard it."""
    WHOLE = "whole"
    """`whole_name` of what is all of its name."""
    KIND = "kind"
    KEY = "key"
    """The track key or artist key."""
    PLACE = "place"
    """Its place by popularity among all of the index, from 0."""


class SearchKind(IntEnum):
    """What a document of the index is, as its field says it."""

    TRACK = 0
    ARTIST = 1


@dataclass(frozen=True)
class SearchDescription:
    """What an index is, kept beside its parts."""

    names: int
    """Tracks and artists that can be found."""
    listed: int
    """Those of them that are found by a part of their name, because 3 people heard them; the others take all of it."""
    size: int
    """Bytes of all parts together: a zip archive of the files of the index."""
    sha256: str
    """Of these bytes, in hex digits."""
    engine: str
    """What wrote the files, and its version; files of another version may be unreadable."""
    format: int = SEARCH_FORMAT

    @property
    def parts(self) -> int:
        """How many parts the bytes are in."""
        return -(-self.size // SEARCH_PART_BYTES)


SEARCH_DESCRIPTION_FIELD = b"description"


def search_part_field(number: int) -> bytes:
    """The field of a part of an index, which are numbered from 0."""
    return b"%d" % number


def search_entries(description: SearchDescription, archive: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The fields of the hash of an index and what is in them; `archive` has `description.size` bytes.

    A part has SEARCH_PART_BYTES, the last one may have fewer.
    """
    yield SEARCH_DESCRIPTION_FIELD, pack_search_description(description)
    for number in range(description.parts):
        yield search_part_field(number), archive.read(SEARCH_PART_BYTES)


def pack_search_description(description: SearchDescription) -> bytes:
    """Pack what an index is as JSON."""
    return orjson.dumps(asdict(description))


def unpack_search_description(packed: bytes) -> SearchDescription:
    """Unpack what an index is. Raises ContractError where it is unreadable, or of another format."""
    try:
        description = _DESCRIPTION.validate_json(packed, strict=True)
    except ValidationError as error:
        raise ContractError(f"the search index has a damaged description: {error.errors()[0]['msg']}") from error
    if description.format != SEARCH_FORMAT:
        raise ContractError(f"the search index has the format {description.format}, not {SEARCH_FORMAT}")
    if not 0 < description.size <= MOST_SEARCH_BYTES:
        raise ContractError(f"the search index says that it has {description.size} bytes")
    return description


_DESCRIPTION = TypeAdapter(SearchDescription)
