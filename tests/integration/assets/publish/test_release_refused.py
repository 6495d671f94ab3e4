"""What must not go live: faulty content, too little of it, too much of it, or other than was sent."""

import resource
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from redis import Redis
from sample_release import (
    after_loading,
    contents,
    in_mid_load,
    release_ids,
    sample_artist,
    sample_list,
    sample_release,
    sample_track,
)

from assets.publish.content import PopularTracks, ReleaseError, ReleaseInput, SimilarBatch, SlateBatch, TagBatch
from assets.publish.plan import plan_release
from assets.publish.reading_back import DamagedReleaseError
from assets.publish.release import publish
from assets.publish.verification import verify
from serving_api import contract

pytestmark = pytest.mark.own_redis


def with_lists(release: ReleaseInput, batch: SlateBatch) -> ReleaseInput:
    return replace(release, batches=lambda slate: iter([batch]))


def two_lists(**changes: object) -> SlateBatch:
    """Two users with two tracks each, with some arrays exchanged."""
    arrays: dict[str, object] = {
        "user_ids": ["user_1", "user_2"],
        "offsets": np.array([0, 2, 4]),
        "track_keys": np.array([1, 2, 3, 4], np.int32),
        "scores": np.array([2, 1, 2, 1], np.float32),
    }
    return SlateBatch(**(arrays | changes))  # type: ignore[arg-type]


def one_similar(keys: list[int], score: float = 0.5) -> Iterator[SimilarBatch]:
    """What is like track 3."""
    scores = np.full(len(keys), score, np.float32)
    yield SimilarBatch(np.array([3], np.int32), np.array([0, len(keys)]), np.array(keys, np.int32), scores)


def calm(*track_keys: int, score: float = 1.0) -> TagBatch:
    """The only tag."""
    tracks = popular(*track_keys, score=score)
    return TagBatch(["calm"], np.array([0, len(track_keys)]), *tracks)


def popular(*track_keys: int, score: float = 1.0) -> PopularTracks:
    return PopularTracks(np.array(track_keys, np.int32), np.full(len(track_keys), score, np.float32))


def in_finland(*track_keys: int) -> dict[str, PopularTracks]:
    """The only country."""
    return {"Finland": popular(*track_keys)}


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (
            two_lists(track_keys=np.array([1, 2, 3, 999], np.int32)),
            "1 items are not in the catalogue, such as the track key 999",
        ),
        (two_lists(anchor_keys=np.array([-1, 0, 888, 0], np.int32)), "reasons of .* such as the track key 888"),
        (two_lists(offsets=np.array([0, 4, 4])), "the list of user user_2 is empty"),
        (two_lists(offsets=np.array([0, 4])), "2 users come with 2 offsets"),
        (two_lists(scores=np.array([1, np.nan, 1, 1], np.float32)), "not a finite number"),
    ],
)
def test_faulty_lists_are_refused_before_anything_is_written(client: Redis, faulty: SlateBatch, message: str) -> None:
    publish(client, sample_release())
    before = contents(client)
    with pytest.raises(ReleaseError, match=message):
        publish(client, with_lists(sample_release("second"), faulty))
    assert contents(client) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"popular": popular(1, 777)}, "popular list: 1 items .* such as the track key 777"),
        ({"popular": popular(1, score=np.inf)}, "popular list cannot be packed"),
        ({"country_popular": in_finland(1, 777)}, "popular list of Finland: 1 items .* such as the track key 777"),
        ({"country_popular": in_finland()}, "popular list of Finland is empty"),
        ({"country_popular": in_finland(1)}, "the user new_1 is of Côte d'Ivoire, which has no popular list"),
        ({"batches": lambda slate: iter(())}, "no user has a list in the slate for_you"),
        ({"tracks": lambda: iter([[sample_track("a", 1), sample_track("a", 1)]])}, "track key 1 twice"),
        ({"artists": lambda: iter([[sample_artist("a", 1), sample_artist("a", 1)]])}, "artist key 1 twice"),
        (
            {"artists": lambda: iter([[sample_artist("a", 1)]]), "other_ids": lambda item: iter(())},
            "similar artists: .* such as the artist key",
        ),
        ({"other_ids": lambda item: iter([[("x", 999)]])}, "other ids of tracks: 1 items .* such as the track key 999"),
        ({"similar": lambda item: one_similar([1, 999])}, "similar tracks: 1 items .* such as the track key 999"),
        ({"similar": lambda item: one_similar([])}, "similar tracks: the list of the track key 3 is empty"),
        ({"similar": lambda item: one_similar([1], np.nan)}, "similar tracks cannot be packed: .* not a finite"),
        ({"tag_tracks": lambda: iter([calm(1, 999)])}, "tracks of tags: 1 items .* such as the track key 999"),
        ({"tag_tracks": lambda: iter([calm()])}, "the list of the tag calm is empty; leave such tags out"),
        ({"tag_tracks": lambda: iter([calm(1, score=np.inf)])}, "the lists of tags cannot be packed: .* not a finite"),
        ({"tag_tracks": lambda: iter([calm(1), calm(2)])}, "Redis has 1 lists of tags' tracks, 2 were published"),
    ],
)
def test_a_faulty_release_is_refused(client: Redis, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        publish(client, replace(sample_release(), **changes))  # type: ignore[arg-type]
    assert contents(client) == {}


def test_a_release_that_covers_too_few_users_does_not_go_live(client: Redis) -> None:
    publish(client, sample_release())
    before = contents(client)
    with pytest.raises(ReleaseError, match=r"slate discover: 49 of 60 users have a list, 81\.7% of them"):
        publish(client, replace(sample_release("second"), expected_users={"for_you": 60, "discover": 60}))
    assert contents(client) == before
    publish(client, replace(sample_release("second"), expected_users={"for_you": 60, "discover": 60}), min_coverage=0.8)
    assert contents(client) != before


def test_of_a_handful_of_users_one_or_two_without_a_list_hold_up_nobody(client: Redis) -> None:
    few = sample_release("few", users=2)
    for expected, refused in ((3, False), (4, True)):
        release = replace(few, expected_users={"for_you": 2, "discover": expected})
        if refused:
            with pytest.raises(ReleaseError, match=f"slate discover: 1 of {expected} users have a list"):
                publish(client, release)
        else:
            assert publish(client, release).coverage == {"for_you": 1.0, "discover": pytest.approx(1 / expected)}


def test_a_user_given_twice_is_found_when_redis_is_read_back(client: Redis) -> None:
    publish(client, sample_release())
    before = contents(client)
    release = sample_release("second")
    doubled = replace(
        release, batches=lambda slate: iter([*release.batches(slate), next(iter(release.batches(slate)))])
    )
    with pytest.raises(ReleaseError, match="50 users with a list in the slate for_you, 70 were published"):
        publish(client, doubled)
    assert contents(client) == before


def test_what_is_lost_on_the_way_is_found_before_the_flip(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(client, sample_release())
    before = contents(client)
    key = contract.tracks_key(plan_release(sample_release("second")).release)

    def lose() -> None:
        client.hdel(key, contract.track_field(sample_list("second", "for_you", 3)[0][0]))
        # The number of tracks stays as it was sent, so only the lists themselves can tell.
        client.hset(key, contract.track_field(10**9), b'["x",null,null,null,null]')

    after_loading(monkeypatch, lose)
    with pytest.raises(ReleaseError, match=r"has no record in Redis; the live release stays"):
        publish(client, sample_release("second"))
    assert contents(client) == before


def test_records_that_no_id_leads_to_are_found_without_knowing_what_was_published(client: Redis) -> None:
    name = publish(client, sample_release()).meta.release
    key = contract.artist_ids_key(name)
    client.hdel(key, *list(client.hkeys(key))[:3])
    with pytest.raises(DamagedReleaseError, match="6 public artist ids and 7 artist records"):
        verify(client, name)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (contract.similar_artists_key, "5 lists of similar artists, 6 were published"),
        (contract.artists_key, "6 artist records, 7 were published"),
        (contract.artist_ids_key, "8 public artist ids, 9 were published"),
        (contract.country_popular_key, "1 popular lists of countries, 2 were published"),
        (contract.user_countries_key, "5 users with a country, 6 were published"),
        (contract.tag_tracks_key, "2 lists of tags' tracks, 3 were published"),
    ],
)
def test_a_lost_artist_country_or_similar_list_is_found_before_the_flip(
    client: Redis, lost: Callable[[str], str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(client, sample_release())
    before = contents(client)
    key = lost(plan_release(sample_release("second")).release)
    after_loading(monkeypatch, lambda: client.hdel(key, next(iter(client.hkeys(key)))))
    with pytest.raises(ReleaseError, match=message):
        publish(client, sample_release("second"))
    assert contents(client) == before


def test_a_similar_artist_without_a_record_is_found_before_the_flip(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = contract.artists_key(plan_release(sample_release()).release)

    def exchange() -> None:
        client.hdel(key, contract.artist_field(2))
        client.hset(key, contract.artist_field(10**9), b'["x",null,null]')

    after_loading(monkeypatch, exchange)
    with pytest.raises(ReleaseError, match=r"the artist key 2 has no record in Redis"):
        publish(client, sample_release())
    assert contents(client) == {}


def test_a_user_of_a_country_without_a_list_is_found_before_the_flip(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = contract.user_countries_key(plan_release(sample_release()).release)
    after_loading(monkeypatch, lambda: client.hset(key, "new_3", "Atlantis"))
    with pytest.raises(ReleaseError, match="a user is of Atlantis, which has no popular list"):
        publish(client, sample_release())
    assert contents(client) == {}


def test_a_source_that_fails_leaves_the_live_release_and_no_leftovers(client: Redis) -> None:
    publish(client, sample_release())
    before = contents(client)

    def failing(slate: str) -> Iterator[SlateBatch]:
        yield next(sample_release("second").batches(slate))
        raise OSError("the warehouse went away")

    with pytest.raises(OSError, match="the warehouse went away"):
        publish(client, replace(sample_release("second"), batches=failing))
    assert contents(client) == before


def test_a_disk_that_is_full_is_one_line_that_says_what_to_do(client: Redis) -> None:
    """… which the largest size of a file that this process may write stands for."""
    publish(client, sample_release())
    before = contents(client)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
        with pytest.raises(ReleaseError, match=r"no room for a release in .*; make some, or set TMPDIR"):
            publish(client, sample_release("second", users=2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(client) == before


def test_a_load_that_breaks_off_leaves_the_live_release_and_no_leftovers(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(client, sample_release())
    before = contents(client)
    written = []

    def fail() -> None:
        written.extend(release_ids(client))
        raise OSError("the disk went away")

    in_mid_load(monkeypatch, fail, 20)
    with pytest.raises(OSError, match="the disk went away"):
        publish(client, sample_release("second"))
    assert len(written) == 2, "it broke off before anything was written"
    assert contents(client) == before


def test_a_release_that_does_not_fit_is_refused_before_the_first_write(client: Redis) -> None:
    publish(client, sample_release())
    before = contents(client)
    try:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 64 * 1024)
        with pytest.raises(ReleaseError, match=r"needs about [\d.]+ MiB in Redis, which has [\d.]+ MiB left under"):
            publish(client, sample_release("second", users=2000))
        client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(ReleaseError, match="maxmemory-policy noeviction"):
            publish(client, sample_release("second"))
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
    assert contents(client) == before
