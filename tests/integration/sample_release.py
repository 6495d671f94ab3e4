"""A small release whose every text names it, so that a test can tell which release an answer is made of."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from redis import Redis

from assets.publish.content import PopularTracks, ReleaseInput, SimilarBatch, SlateBatch, TagBatch
from assets.publish.loading import load
from assets.publish.spool import Spool
from serving_api.contract import NO_ANCHOR, NO_DETAILS, Artist, Track, TrackDetails, release_key_pattern

AS_OF = date(2026, 11, 22)
LISTS_MADE_AT = datetime(2026, 11, 22, 3, 20, tzinfo=UTC)
GENERATED_AT = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
SLATES = ("for_you", "discover")
ARTISTS = 7
WITHOUT_DISCOVER = "user_0"
COUNTRIES = ("Finland", "Côte d'Ivoire")
TAGS = ("pop", "rock", "jazz")
# People without listens.
NEWCOMERS = {f"new_{number}": COUNTRIES[number % 2] for number in range(6)}


def sample_release(
    marker: str = "first", *, users: int = 50, tracks: int = 40, length: int = 12, batch_users: int = 20
) -> ReleaseInput:
    """A release of `users` lists of `length` tracks per slate; user_0 has no `discover` list.

    Every track but the last, which is like no other, has two or fewer similar ones; so has every artist. Each of two
    countries has a popular list of its own.

    The marker decides what is in the lists, and appears in every title and model version.
    """

    def batches(slate: str) -> Iterator[SlateBatch]:
        first = 1 if slate == "discover" else 0
        for start in range(first, users, batch_users):
            numbers = range(start, min(start + batch_users, users))
            yield _slate_batch([f"user_{number}" for number in numbers], [list_of(slate, number) for number in numbers])

    def list_of(slate: str, number: int) -> tuple[list[int], list[int]]:
        return sample_list(marker, slate, number, tracks, length)

    def catalogue() -> Iterator[Sequence[Track]]:
        for start in range(0, tracks, 15):
            yield [sample_track(marker, key) for key in range(start, min(start + 15, tracks))]

    def similar(item: str) -> Iterator[SimilarBatch]:
        count = tracks if item == "track" else ARTISTS
        for start in range(0, count - 1, 15):
            keys = range(start, min(start + 15, count - 1))
            yield _similar_batch(keys, [sample_similar(marker, key, count) for key in keys])

    return ReleaseInput(
        as_of=AS_OF,
        generated_at=GENERATED_AT,
        lists_made_at=LISTS_MADE_AT,
        model_versions={slate: f"{slate}-{marker}" for slate in SLATES},
        batches=batches,
        tracks=catalogue,
        artists=lambda: iter([[sample_artist(marker, key) for key in range(ARTISTS)]]),
        other_ids=lambda item: iter([[(f"{item}-of-before", 5), (f"{item}-of-long-ago", 5)]]),
        similar=similar,
        artist_tracks=lambda: iter([_artist_tracks(tracks)]),
        tag_tracks=lambda: iter([_tag_tracks(tracks)]),
        popular=_popular(tracks),
        trending=_popular(tracks, backwards=True),
        country_popular=_country_popular(marker, tracks),
        user_countries=lambda: iter([list(NEWCOMERS.items())[:4], list(NEWCOMERS.items())[4:]]),
        expected_users=dict.fromkeys(SLATES, users),
    )


def _slate_batch(user_ids: list[str], lists: list[tuple[list[int], list[int]]]) -> SlateBatch:
    """One list per user, all of one length, with falling scores."""
    keys, anchors = (np.array(each, np.int32) for each in zip(*lists, strict=True))
    return SlateBatch(
        user_ids=user_ids,
        offsets=np.arange(0, keys.size + 1, keys.shape[1]),
        track_keys=keys.ravel(),
        scores=np.tile(sample_scores(keys.shape[1]), len(lists)),
        anchor_keys=anchors.ravel(),
    )


def _popular(tracks: int, backwards: bool = False) -> PopularTracks:
    keys = np.arange(tracks - 1, -1, -1, dtype=np.int32)[:25]
    return PopularTracks(keys[::-1] if backwards else keys, sample_scores(len(keys)))


def _country_popular(marker: str, tracks: int) -> dict[str, PopularTracks]:
    return {
        country: PopularTracks(np.array(sample_country(marker, country, tracks), np.int32), sample_scores(10))
        for country in COUNTRIES
    }


def _artist_tracks(tracks: int) -> SimilarBatch:
    """The tracks of each artist, as their records name them, the last one first."""
    listed = [[key for key in range(tracks - 1, -1, -1) if key % 3 and key % 7 == artist] for artist in range(ARTISTS)]
    return _similar_batch(range(ARTISTS), listed)


def _tag_tracks(tracks: int) -> TagBatch:
    listed = [sample_tag(tag, tracks) for tag in TAGS]
    return TagBatch(
        tags=TAGS,
        offsets=np.cumsum([0, *map(len, listed)]),
        track_keys=np.array([each for keys in listed for each in keys], np.int32),
        scores=np.concatenate([sample_scores(len(keys)) for keys in listed]),
    )


def _similar_batch(keys: Sequence[int], lists: list[list[int]]) -> SimilarBatch:
    return SimilarBatch(
        keys=np.array(keys, np.int32),
        offsets=np.cumsum([0, *map(len, lists)]),
        similar_keys=np.array([each for listed in lists for each in listed], np.int32),
        scores=np.concatenate([sample_scores(len(listed)) for listed in lists]),
    )


def sample_list(marker: str, slate: str, user: int, tracks: int = 40, length: int = 12) -> tuple[list[int], list[int]]:
    """The track keys and the anchor keys of one user; the odd ranks have no anchor."""
    drawn = random.Random(f"{marker} {slate} {user}").sample(range(tracks), length)
    return drawn, [(key + 1) % tracks if rank % 2 == 0 else NO_ANCHOR for rank, key in enumerate(drawn, 1)]


def sample_country(marker: str, country: str, tracks: int = 40) -> list[int]:
    """The keys of the ten tracks that are popular in a country."""
    return random.Random(f"{marker} in {country}").sample(range(tracks), 10)


def sample_tag(tag: str, tracks: int = 40) -> list[int]:
    """The keys of the tracks that have a tag, the last one first."""
    return [key for key in range(tracks - 1, -1, -1) if key % 5 and key % (TAGS.index(tag) + 2) == 0]


def sample_scores(length: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Falling scores with few digits."""
    return np.linspace(2, 1, length, dtype=np.float32)


def sample_track(marker: str, key: int) -> Track:
    """Every third track has no artist, every fifth no details."""
    details = TrackDetails(
        album=f"Album {key % 4} of {marker}",
        duration_ms=180_000 + key,
        isrc=None if key % 2 else f"FIABC26{key:05d}",
        tags=tuple(tag for number, tag in enumerate(TAGS, 2) if key % number == 0),
        release_year=1990 + key,
        explicit=key % 4 == 1,
    )
    track = Track(key, f"t-{key}", f"Track {key} of {marker}", None, None, None, details if key % 5 else NO_DETAILS)
    return track if key % 3 == 0 else track._replace(artist=f"Artist of {marker}", artist_id=f"a-{key % 7}")


def sample_artist(marker: str, key: int) -> Artist:
    """The artist of the tracks whose key leaves this rest; every third has no name."""
    return Artist(key, f"a-{key}", None if key % 3 == 0 else f"Artist {key} of {marker}", None)


def sample_similar(marker: str, key: int, count: int) -> list[int]:
    """What is like one of `count` tracks or artists: two others, or one."""
    drawn = random.Random(f"{marker} similar {key}").sample(range(count), 2)
    return [each for each in drawn if each != key]


def contents(client: Redis) -> dict[str, Any]:
    """Everything in the database, by key, without the times at which releases went live."""
    found: dict[str, Any] = {}
    for key in client.scan_iter():
        kind = client.type(key)
        if kind == b"hash":
            found[key.decode()] = client.hgetall(key)
        elif kind == b"zset":
            found[key.decode()] = set(client.zrange(key, 0, -1))
        else:
            found[key.decode()] = client.get(key)
    return found


def release_ids(client: Redis) -> set[str]:
    """The releases that have any key in Redis."""
    return {key.decode().split(":")[1] for key in client.scan_iter(release_key_pattern("*"))}


def after_loading(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Let something happen between the loading of releases and their verification."""

    def load_then_act(*arguments: Any) -> None:
        load(*arguments)
        action()

    monkeypatch.setattr("assets.publish.release.load", load_then_act)


def in_mid_load(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object], commands: int = 3) -> None:
    """Let something happen while releases are loaded, after so many commands."""

    def interrupted(spool: Spool, release: str) -> Iterator[list[bytes]]:
        for number, command in enumerate(whole(spool, release)):
            if number == commands:
                action()
            yield command

    whole = Spool.commands
    monkeypatch.setattr(Spool, "commands", interrupted)
