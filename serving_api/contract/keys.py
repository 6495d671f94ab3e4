"""Names of keys in Redis, and of the fields of hashes."""

import re
import struct

from serving_api.contract.version import ContractError

LIVE = "audotics:live"
PREVIOUS = "audotics:previous"
RELEASES = "audotics:releases"
PUBLISH_LOCK = "audotics:publish-lock"
BLOCKS = "audotics:blocks"
BLOCK_CHANGES = "audotics:block-changes"
API_KEYS = "audotics:api-keys"
SCENARIOS = "audotics:scenarios"

TRACK_FIELD = struct.Struct(">i")
# In letters; what requests name is no longer.
LONGEST_TAG = 200
_RELEASE_NAME = re.compile(rb"\d{4}-\d\d-\d\d-[0-9a-f]{8}")


def meta_key(release: str) -> str:
    """Key of the JSON document that describes the release."""
    return f"audotics:{release}:meta"


def slate_key(release: str, slate: str) -> str:
    """Key of the hash from user id to packed list."""
    return f"audotics:{release}:slate:{slate}"


def tracks_key(release: str) -> str:
    """Key of the hash from track field to track record."""
    return f"audotics:{release}:tracks"


def track_details_key(release: str) -> str:
    """Key of the hash from track field to details, where any are known."""
    return f"audotics:{release}:track-details"


def track_ids_key(release: str) -> str:
    """Key of the hash from public track id to track field."""
    return f"audotics:{release}:track-ids"


def popular_key(release: str) -> str:
    """Key of the packed list that answers when there is no personal one."""
    return f"audotics:{release}:popular"


def country_popular_key(release: str) -> str:
    """Key of the hash from country to packed list of what is popular there."""
    return f"audotics:{release}:country-popular"


def user_countries_key(release: str) -> str:
    """Key of the hash from user id to country, of users without listens."""
    return f"audotics:{release}:user-countries"


def artists_key(release: str) -> str:
    """Key of the hash from artist field to artist record."""
    return f"audotics:{release}:artists"


def artist_ids_key(release: str) -> str:
    """Key of the hash from public artist id to artist field."""
    return f"audotics:{release}:artist-ids"


def similar_tracks_key(release: str) -> str:
    """Key of the hash from track field to packed list of the tracks most like it."""
    return f"audotics:{release}:similar-tracks"


def similar_artists_key(release: str) -> str:
    """Key of the hash from artist field to packed list of the artists most like it."""
    return f"audotics:{release}:similar-artists"


def trending_key(release: str) -> str:
    """Key of the packed list of what more people hear than before."""
    return f"audotics:{release}:trending"


def artist_tracks_key(release: str) -> str:
    """Key of the hash from artist field to packed list of the artist's tracks."""
    return f"audotics:{release}:artist-tracks"


def tag_tracks_key(release: str) -> str:
    """Key of the hash from tag, in lower case, to packed list of the tracks that have it."""
    return f"audotics:{release}:tag-tracks"


def search_key(release: str) -> str:
    """Key of the hash that the search index of the release is in, in parts."""
    return f"audotics:{release}:search"


def release_key_pattern(release: str) -> str:
    """Glob that matches every key of one release and no other; `*` for the keys of all releases."""
    return f"audotics:{'????-??-??-????????' if release == '*' else release}:*"


def track_field(track_key: int) -> bytes:
    """The name of a track in the tracks hash: big-endian, so that fields sort as the keys do."""
    return TRACK_FIELD.pack(track_key)


def track_key(field: bytes) -> int:
    """The track key that a track field stands for. Raises ContractError for other bytes."""
    if len(field) != TRACK_FIELD.size:
        raise ContractError(f"{field!r} is not the field of a track or an artist")
    return int(TRACK_FIELD.unpack(field)[0])


def release_name(pointer: bytes) -> str:
    """The release that a pointer names. Raises ContractError for bytes that are not the name of one."""
    if not _RELEASE_NAME.fullmatch(pointer):
        raise ContractError(f"the live pointer {pointer[:40]!r} is not the name of a release")
    return pointer.decode()


# Fields of artists are made as those of tracks are.
artist_field = track_field
artist_key = track_key
