"""Publishing on a real Redis: atomic, verified, idempotent, and the same after any kill."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from redis import Redis
from sample_release import (
    ARTISTS,
    COUNTRIES,
    NEWCOMERS,
    TAGS,
    contents,
    in_mid_load,
    release_ids,
    sample_artist,
    sample_country,
    sample_list,
    sample_release,
    sample_similar,
    sample_tag,
    sample_track,
)

from assets.publish.content import PopularTracks, ReleaseError
from assets.publish.held import list_releases, rollback
from assets.publish.plan import plan_release
from assets.publish.release import publish
from assets.publish.verification import verify
from serving_api import contract
from serving_api.contract import LIVE, PREVIOUS, PUBLISH_LOCK, RELEASES

pytestmark = pytest.mark.own_redis


def test_what_is_published_is_what_was_given(client: Redis) -> None:
    published = publish(client, sample_release())
    name = published.meta.release
    assert client.get(LIVE) == name.encode()
    assert client.get(PREVIOUS) is None
    assert list_releases(client)[0].meta == published.meta
    assert published.meta.users == {"for_you": 50, "discover": 49}
    assert published.coverage == {"for_you": 1.0, "discover": 0.98}
    assert (published.meta.tracks, published.meta.popular) == (40, 25)
    held = contents(client)
    for slate in ("for_you", "discover"):
        packed = held[contract.slate_key(name, slate)][b"user_7"]
        ranked = contract.unpack_list(packed)
        assert (ranked.track_keys.tolist(), ranked.anchor_keys.tolist()) == sample_list("first", slate, 7)
        lists = [sample_list("first", slate, user)[0] for user in range(slate == "discover", 50)]
        assert published.distinct_tracks[slate] == len({key for keys in lists for key in keys})
    field = held[contract.track_ids_key(name)][b"t-17"]
    record = held[contract.tracks_key(name)][field]
    assert contract.unpack_track(field, record, held[contract.track_details_key(name)][field]) == sample_track(
        "first", 17
    )
    assert published.counts.track_details == len(held[contract.track_details_key(name)]) == 32
    assert held[contract.track_ids_key(name)][b"track-of-before"] == contract.track_field(5)
    field = held[contract.artist_ids_key(name)][b"a-5"]
    assert held[contract.artist_ids_key(name)][b"artist-of-long-ago"] == field
    assert contract.unpack_artist(field, held[contract.artists_key(name)][field]) == sample_artist("first", 5)
    for key, count in ((contract.similar_tracks_key, 40), (contract.similar_artists_key, ARTISTS)):
        lists = {contract.track_key(field): contract.unpack_list(packed) for field, packed in held[key(name)].items()}
        assert {each: ranked.track_keys.tolist() for each, ranked in lists.items()} == {
            each: sample_similar("first", each, count) for each in range(count - 1)
        }
    lists = held[contract.tag_tracks_key(name)]
    found = {tag.decode(): contract.unpack_list(packed).track_keys.tolist() for tag, packed in lists.items()}
    assert found == {tag: sample_tag(tag) for tag in TAGS}
    assert published.counts.tag_tracks == len(TAGS)
    lists = held[contract.country_popular_key(name)]
    assert {
        country.decode(): contract.unpack_list(packed).track_keys.tolist() for country, packed in lists.items()
    } == {country: sample_country("first", country) for country in COUNTRIES}
    countries = held[contract.user_countries_key(name)]
    assert {user_id.decode(): country.decode() for user_id, country in countries.items()} == NEWCOMERS
    assert (published.counts.countries, published.counts.user_countries) == (2, 6)
    assert (published.counts.track_ids, published.counts.artist_ids) == (42, ARTISTS + 2)
    assert client.get(PUBLISH_LOCK) is None


def test_a_release_without_countries_has_no_key_of_them(client: Redis) -> None:
    published = publish(client, replace(sample_release(), country_popular={}, user_countries=lambda: iter(())))
    name = published.meta.release
    assert (published.counts.countries, published.counts.user_countries) == (0, 0)
    assert client.exists(contract.country_popular_key(name), contract.user_countries_key(name)) == 0
    assert client.exists(contract.popular_key(name)) == 1


def test_the_id_follows_from_the_content_and_from_nothing_else() -> None:
    release = sample_release()
    name = plan_release(release).release
    later = replace(release, generated_at=datetime(2027, 1, 1, tzinfo=UTC))
    turned = replace(release, batches=lambda slate: iter(list(release.batches(slate))[::-1]))
    assert name.startswith("2026-11-22-")
    assert {plan_release(same).release for same in (later, turned, sample_release(batch_users=7))} == {name}
    assert plan_release(sample_release("second")).release != name
    assert plan_release(replace(release, as_of=date(2026, 11, 21))).release[11:] != name[11:]
    popular = release.popular._replace(scores=release.popular.scores * 2)
    assert plan_release(replace(release, popular=popular)).release != name
    for item in ("track", "artist"):
        fewer = replace(release, similar=lambda each, item=item: iter(() if each == item else release.similar(each)))
        assert plan_release(fewer).release != name
    assert plan_release(replace(release, tag_tracks=lambda: iter(()))).release != name
    tracks = release.country_popular["Finland"]
    for other in (
        {"Finland": tracks},
        release.country_popular | {"Norway": tracks},
        release.country_popular | {"Finland": PopularTracks(tracks.track_keys, tracks.scores * 2)},
    ):
        nobody = replace(release, user_countries=lambda: iter(()))
        assert plan_release(replace(nobody, country_popular=other)).release != plan_release(nobody).release
    moved = NEWCOMERS | {"new_0": COUNTRIES[1]}
    for users in (NEWCOMERS, moved):
        turned = replace(release, user_countries=lambda users=users: iter([list(users.items())[::-1]]))
        assert (plan_release(turned).release == name) is (users == NEWCOMERS)
    bare = [track._replace(details=contract.NO_DETAILS) for tracks in release.tracks() for track in tracks]
    assert plan_release(replace(release, tracks=lambda: iter([bare]))).release != name
    renamed = {"for_you": "for_you-first", "discover": "another-model"}
    assert plan_release(replace(release, model_versions=renamed)).release != name


def test_the_same_content_again_is_verified_and_changes_nothing(client: Redis) -> None:
    first = publish(client, sample_release("first"))
    second = publish(client, sample_release("second"))
    before = contents(client)
    again = publish(client, replace(sample_release("second"), generated_at=datetime.now(UTC)))
    assert (first.already_live, second.already_live, again.already_live) == (False, False, True)
    assert again.previous == first.meta.release
    assert contents(client) == before


def test_the_live_release_becomes_the_previous_one_and_older_ones_go(client: Redis) -> None:
    names = [publish(client, sample_release(marker)).meta.release for marker in ("a", "b", "c")]
    assert release_ids(client) == set(names[1:])
    listed = list_releases(client)
    assert [(one.meta.release, one.status) for one in listed] == [(names[2], "live"), (names[1], "previous")]
    assert listed[0].published_at >= listed[1].published_at
    assert client.zcard(RELEASES) == 2


def test_a_rollback_swaps_the_two_releases_and_a_second_one_swaps_them_back(client: Redis) -> None:
    first, second = (publish(client, sample_release(marker)).meta.release for marker in ("a", "b"))
    assert rollback(client) == first
    assert [(one.meta.release, one.status) for one in list_releases(client)] == [
        (second, "previous"),
        (first, "live"),
    ]
    assert rollback(client) == second
    assert (client.get(LIVE), client.get(PREVIOUS)) == (second.encode(), first.encode())


def test_after_a_rollback_the_next_release_replaces_the_one_rolled_back_from(client: Redis) -> None:
    first, second = (publish(client, sample_release(marker)).meta.release for marker in ("a", "b"))
    rollback(client)
    third = publish(client, sample_release("c"))
    assert third.previous == first
    assert release_ids(client) == {first, third.meta.release}
    assert second not in {one.meta.release for one in list_releases(client)}


def test_the_previous_release_published_again_goes_live_without_being_loaded_again(client: Redis) -> None:
    first = publish(client, sample_release("a")).meta.release
    publish(client, sample_release("b"))
    writes = client.info("commandstats")["cmdstat_hset"]["calls"]
    again = publish(client, sample_release("a"))
    assert client.info("commandstats")["cmdstat_hset"]["calls"] == writes
    assert client.get(LIVE) == first.encode()
    assert again.already_live is False


def test_without_a_previous_release_there_is_no_rollback(client: Redis) -> None:
    assert list_releases(client) == []
    with pytest.raises(ReleaseError, match="no previous release"):
        rollback(client)
    name = publish(client, sample_release()).meta.release
    with pytest.raises(ReleaseError, match="no previous release"):
        rollback(client)
    assert client.get(LIVE) == name.encode()


def test_the_memory_estimate_is_on_the_safe_side_and_not_wildly_so(client: Redis) -> None:
    before = client.info("memory")["used_memory"]
    release = sample_release(users=1500, tracks=2000, length=100, batch_users=500)
    published = publish(client, release)
    used = client.info("memory")["used_memory"] - before
    assert used <= published.estimated_bytes <= 1.5 * used


def test_a_second_publisher_is_told_that_one_is_at_work(client: Redis) -> None:
    with (
        client.lock(PUBLISH_LOCK, timeout=60),
        pytest.raises(ReleaseError, match="another publisher holds the lock"),
    ):
        publish(client, sample_release(), lock_seconds=0.2)
    assert contents(client) == {}


@pytest.mark.parametrize("at_work_on", ["loading", "the flip"])
def test_a_publisher_whose_lock_ran_out_neither_goes_live_nor_touches_its_successor(
    client: Redis, at_work_on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(client, sample_release())
    successor = contract.slate_key("2026-11-22-00000000", "for_you")

    def overtake() -> None:
        client.set(PUBLISH_LOCK, "token of the successor")
        client.hset(successor, "user_1", b"half-loaded")

    def verify_then_overtake(*arguments: Any, **options: Any) -> Any:
        figures = verify(*arguments, **options)
        overtake()
        return figures

    if at_work_on == "loading":
        in_mid_load(monkeypatch, overtake)
    else:
        monkeypatch.setattr("assets.publish.release.verify", verify_then_overtake)
    with pytest.raises(ReleaseError, match="ran out while publishing"):
        publish(client, sample_release("second"))
    assert client.get(LIVE) == plan_release(sample_release()).release.encode()
    assert client.get(PUBLISH_LOCK) == b"token of the successor"
    assert client.exists(successor)


def test_a_redis_that_is_down_is_one_line_that_names_it() -> None:
    with Redis.from_url("redis://:secret@127.0.0.1:1/0") as nobody:
        for action in (
            lambda: publish(nobody, sample_release()),
            lambda: list_releases(nobody),
            lambda: rollback(nobody),
        ):
            with pytest.raises(ReleaseError, match=r"^Redis at 127\.0\.0\.1:1 failed") as caught:
                action()
            assert "secret" not in str(caught.value)


def test_keys_that_belong_to_no_release_are_left_alone(client: Redis) -> None:
    client.set("another-app:2026-11-22-3f9a1c07:meta", "theirs")
    client.set("audotics:keys", "ours")
    for marker in ("a", "b", "c"):
        publish(client, sample_release(marker))
    assert client.get("another-app:2026-11-22-3f9a1c07:meta") == b"theirs"
    assert client.get("audotics:keys") == b"ours"
