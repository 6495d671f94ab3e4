"""The name of a release follows from its content, so whoever reads all of it can tell whether it is still the same."""

import hashlib
from collections.abc import Mapping
from datetime import date

import orjson

from serving_api.contract import CONTRACT_VERSION

# What entries are digested as; the lists of a slate under the name of the slate.
TRACK = "track"
TRACK_DETAILS = "track-details"
TRACK_ID = "track-id"
ARTIST = "artist"
ARTIST_ID = "artist-id"
SIMILAR = {"track": "similar-track", "artist": "similar-artist"}
POPULAR = "popular"
COUNTRY_POPULAR = "country-popular"
USER_COUNTRY = "user-country"


class ContentDigest:
    """Adds up the entries of a release, in any order."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, kind: str, field: bytes, payload: bytes) -> None:
        """Add one entry of a hash, or the payload of a key of its own with an empty field."""
        entry = hashlib.sha256(b"%s %d %s" % (kind.encode(), len(field), field))
        entry.update(payload)
        self._sum = (self._sum + int.from_bytes(entry.digest())) % (1 << 256)

    def release_name(self, as_of: date, models: Mapping[str, str]) -> str:
        """`<as_of>-<first 8 hex digits of a SHA-256 over the content>`; `models` has the model version by slate."""
        header = orjson.dumps([CONTRACT_VERSION, as_of, sorted(models.items())])
        digest = hashlib.sha256(header + self._sum.to_bytes(32)).hexdigest()
        return f"{as_of.isoformat()}-{digest[:8]}"
