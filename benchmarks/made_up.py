"""A release of made-up lists, of any size, for what is measured of releases."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import numpy as np

from assets.publish.content import PopularTracks, ReleaseInput, SlateBatch
from serving_api.contract import NO_ANCHOR, Artist, Track

SLATES = ("for_you", "discover")
LENGTH = 100
USERS_PER_BATCH = 5_000
TRACKS_PER_ARTIST = 12


def made_up_release(users: int, tracks: int) -> ReleaseInput:
    """Lists of 100 of `tracks` tracks, the popular ones in more lists; every other item has a reason."""

    def batches(slate: str) -> Iterator[SlateBatch]:
        for start in range(0, users, USERS_PER_BATCH):
            count = min(USERS_PER_BATCH, users - start)
            draw = np.random.default_rng([SLATES.index(slate), start])
            keys = (draw.random((count, LENGTH)) ** 3 * tracks).astype(np.int32)
            anchors = np.where(np.arange(LENGTH) % 2, NO_ANCHOR, (keys + 1) % tracks).astype(np.int32)
            yield SlateBatch(
                user_ids=[f"user_{number}" for number in range(start, start + count)],
                offsets=np.arange(0, count * LENGTH + 1, LENGTH),
                track_keys=keys.ravel(),
                scores=-np.sort(-draw.random((count, LENGTH)).astype(np.float32)).ravel(),
                anchor_keys=anchors.ravel(),
            )

    def catalogue() -> Iterator[Sequence[Track]]:
        for start in range(0, tracks, USERS_PER_BATCH):
            yield [_track(key) for key in range(start, min(start + USERS_PER_BATCH, tracks))]

    return ReleaseInput(
        as_of=date(2026, 11, 22),
        generated_at=datetime(2026, 11, 22, 4, tzinfo=UTC),
        lists_made_at=datetime(2026, 11, 22, 3, tzinfo=UTC),
        model_versions={slate: f"{slate}-2026-11-16-9b1e44d0" for slate in SLATES},
        batches=batches,
        tracks=catalogue,
        artists=lambda: iter([[Artist(key, f"a-{key:06d}", f"The Artists {key}", None) for key in range(1000)]]),
        other_ids=lambda item: iter(()),
        similar=lambda item: iter(()),
        artist_tracks=lambda: iter(()),
        tag_tracks=lambda: iter(()),
        trending=PopularTracks(np.empty(0, np.int32), np.empty(0, np.float32)),
        popular=PopularTracks(np.arange(LENGTH, dtype=np.int32), np.arange(LENGTH, 0, -1, dtype=np.float32)),
        country_popular={},
        user_countries=lambda: iter(()),
        expected_users=dict.fromkeys(SLATES, users),
    )


def _track(key: int) -> Track:
    artist = key // TRACKS_PER_ARTIST
    mbid = f"8f3471b5-7e6a-48da-86a9-{key:012x}"
    return Track(key, f"t-{key:06d}", f"Song of number {key}", f"The Artists {artist}", f"a-{artist:06d}", mbid)
