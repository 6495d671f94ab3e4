"""The name of a release follows from its content, so whoever reads all of it can tell whether it is still the same."""

from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import sha256

import numpy as np
import orjson

from serving_api.contract import CONTRACT_VERSION, HeldSlate

# What entries are digested as; the lists of a slate under the name of the slate.
TRACK = "track"
TRACK_DETAILS = "track-details"
TRACK_ID = "track-id"
ARTIST = "artist"
ARTIST_ID = "artist-id"
SIMILAR = {"track": "similar-track", "artist": "similar-artist"}
POPULAR = "popular"
TRENDING = "trending"
ARTIST_TRACKS = "artist-tracks"
TAG_TRACKS = "tag-tracks"
COUNTRY_POPULAR = "country-popular"
USER_COUNTRY = "user-country"
SEARCH = "search"

_WORDS = 8
_BITS = 32


class ContentDigest:
    """Adds up the entries of a release, in any order."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, kind: str, fields: Sequence[bytes], payloads: Sequence[bytes]) -> None:
        """Add entries of a hash; the payload of a key of its own has an empty field."""
        name = kind.encode()
        sums = b"".join(
            [
                sha256(b"%b %d %b%b" % (name, len(field), field, payload)).digest()
                for field, payload in zip(fields, payloads, strict=True)
            ]
        )
        # As words of 32 bits: 64 bits hold the sum of more of them than one batch has.
        words = np.frombuffer(sums, ">u4").reshape(-1, _WORDS).sum(axis=0, dtype=np.uint64)
        total = 0
        for word in words.tolist():
            total = (total << _BITS) + word
        self._sum = (self._sum + total) % (1 << _WORDS * _BITS)

    def release_name(self, as_of: date, models: Mapping[str, str], held: Mapping[str, HeldSlate]) -> str:
        """`<as_of>-<first 8 hex digits of a SHA-256 over the content>`; `models` has the model version by slate, `held`
        the slates whose newest lists were refused.
        """
        described: list[object] = [CONTRACT_VERSION, as_of, sorted(models.items())]
        if held:
            # Not why they were refused, which readers are not told: only as of what date their lists are.
            described.append(sorted((slate, each.as_of) for slate, each in held.items()))
        header = orjson.dumps(described)
        digest = sha256(header + self._sum.to_bytes(_WORDS * _BITS // 8)).hexdigest()
        return f"{as_of.isoformat()}-{digest[:8]}"
