"""The two kinds of items that a release has records and similar lists of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving_api import contract
from serving_api.contract import Artist, Track
from serving_api.errors import UnknownArtistError, UnknownItemError, UnknownTrackError

_Record = TypeVar("_Record", bound=Track | Artist)


@dataclass(frozen=True)
class Kind(Generic[_Record]):
    """Tracks or artists: the hashes that a release keeps of them, and how what is in there is read."""

    ids_key: Callable[[str], str]
    records_keys: tuple[Callable[[str], str], ...]
    """The hash of records, and those of what belongs to a record and may be missing."""
    similar_key: Callable[[str], str]
    unpack: Callable[..., _Record]
    """A record from its field and the payloads that these hashes have for it."""
    unknown: type[UnknownItemError]


TRACKS = Kind(
    contract.track_ids_key,
    (contract.tracks_key, contract.track_details_key),
    contract.similar_tracks_key,
    contract.unpack_track,
    UnknownTrackError,
)
ARTISTS = Kind(
    contract.artist_ids_key,
    (contract.artists_key,),
    contract.similar_artists_key,
    contract.unpack_artist,
    UnknownArtistError,
)
