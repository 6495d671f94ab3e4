"""What the read API answers, over real HTTP, from a really published release."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from api_client import document, problem, recommendations, running_api
from redis import Redis
from sample_release import (
    ARTISTS,
    COUNTRIES,
    WITHOUT_DISCOVER,
    sample_artist,
    sample_country,
    sample_list,
    sample_release,
    sample_scores,
    sample_similar,
    sample_track,
)

from assets.publish.content import PopularTracks, SlateBatch
from assets.publish.release import publish
from serving_api import contract, models
from serving_api.answers import record_document
from serving_api.contract import Track


@pytest.fixture
def redis_url(own_redis_url: str) -> str:
    """Whose limits and counters are nobody else's; empty."""
    with Redis.from_url(own_redis_url) as client:
        client.flushall()
    return own_redis_url


def expected_items(marker: str, slate: str, user: int) -> list[dict[str, Any]]:
    items = []
    drawn = zip(*sample_list(marker, slate, user), sample_scores(12).tolist(), strict=True)
    for rank, (key, anchor, score) in enumerate(drawn, 1):
        anchor_track = sample_track(marker, anchor)
        reason = {
            "type": "because_you_listened_to",
            "track_id": anchor_track.track_id,
            "title": anchor_track.title,
        }
        items.append(
            {
                "rank": rank,
                **record_document(sample_track(marker, key)),
                "score": pytest.approx(score, abs=1e-6),
                "reason": reason if anchor >= 0 else None,
            }
        )
    return items


@pytest.mark.parametrize("slate", ["for_you", "discover"])
def test_a_user_gets_their_own_list_with_where_it_comes_from(api: httpx.Client, client: Redis, slate: str) -> None:
    answer = recommendations(api, "user_7", slate=slate)
    live = client.get(contract.LIVE)
    assert isinstance(live, bytes)
    assert answer == {
        "user_id": "user_7",
        "slate": slate,
        "release": live.decode(),
        "model_version": f"{slate}-first",
        "as_of": "2026-11-22",
        "generated_at": "2026-11-22T03:30:00Z",
        "source": "personal",
        "fallback_reason": None,
        "country": None,
        "items": expected_items("first", slate, 7),
        "next_offset": None,
    }


def test_scores_are_sent_with_the_digits_they_have(api: httpx.Client) -> None:
    body = api.get("/v1/users/user_7/recommendations", params={"limit": 2}).text
    assert re.findall(r'"score":([\d.]+)', body) == ["2.0", "1.9090909"]


def test_for_you_is_the_slate_of_those_who_name_none(api: httpx.Client) -> None:
    assert recommendations(api, "user_7") == recommendations(api, "user_7", slate="for_you")


def test_an_unknown_user_gets_the_popular_list_and_is_told_so(api: httpx.Client) -> None:
    answer = recommendations(api, "nobody", limit=3)
    assert (answer["source"], answer["fallback_reason"]) == ("popular", "unknown_user")
    assert answer["model_version"] is None
    assert [item["track_id"] for item in answer["items"]] == ["t-39", "t-38", "t-37"]
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
    assert {item["reason"] for item in answer["items"]} == {None}
    assert answer["next_offset"] == 3


def test_a_user_without_a_list_for_the_slate_is_known_all_the_same(api: httpx.Client) -> None:
    answer = recommendations(api, WITHOUT_DISCOVER, slate="discover")
    assert (answer["source"], answer["fallback_reason"]) == ("popular", "empty_slate")
    assert recommendations(api, WITHOUT_DISCOVER, slate="for_you")["source"] == "personal"


def in_country(marker: str, country: str) -> list[str]:
    return [f"t-{key}" for key in sample_country(marker, country)]


def track_ids(answer: dict[str, Any]) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


@pytest.mark.parametrize(("user_id", "country"), [("new_0", COUNTRIES[0]), ("new_1", COUNTRIES[1])])
def test_somebody_without_listens_gets_what_is_popular_in_their_country(
    api: httpx.Client, client: Redis, user_id: str, country: str
) -> None:
    answer = recommendations(api, user_id)
    assert (answer["source"], answer["fallback_reason"], answer["country"]) == ("popular", "unknown_user", country)
    assert (answer["model_version"], answer["next_offset"]) == (None, None)
    assert track_ids(answer) == in_country("first", country)
    assert [item["rank"] for item in answer["items"]] == list(range(1, 11))
    assert {item["reason"] for item in answer["items"]} == {None}
    asked = client.info("commandstats")["cmdstat_hmget"]["calls"]
    assert recommendations(api, user_id, country="Norway") == answer, "the profile is not believed"
    assert client.info("commandstats")["cmdstat_hmget"]["calls"] == asked, "a list that was read once is read again"
    exclude = ",".join(track_ids(answer)[1:4])
    first = recommendations(api, user_id, exclude=exclude, limit=4)
    second = recommendations(api, user_id, exclude=exclude, limit=4, offset=first["next_offset"])
    left = in_country("first", country)
    del left[1:4]
    assert (track_ids(first) + track_ids(second), second["next_offset"]) == (left, None)
    publish(client, sample_release("second"))
    assert track_ids(recommendations(api, user_id)) == in_country("second", country)


def test_an_app_may_say_the_country_of_whom_the_release_has_none_of(api: httpx.Client) -> None:
    unknown = recommendations(api, "nobody", country=COUNTRIES[1])
    assert (unknown["fallback_reason"], unknown["country"]) == ("unknown_user", COUNTRIES[1])
    assert track_ids(unknown) == in_country("first", COUNTRIES[1])
    heard = recommendations(api, WITHOUT_DISCOVER, slate="discover", country=COUNTRIES[0])
    assert (heard["fallback_reason"], heard["country"]) == ("empty_slate", COUNTRIES[0])
    assert track_ids(heard) == in_country("first", COUNTRIES[0])
    assert recommendations(api, "user_7", country=COUNTRIES[0]) == recommendations(api, "user_7")
    assert recommendations(api, "nobody", country="finland") == recommendations(api, "nobody")
    assert recommendations(api, "nobody")["country"] is None


def test_user_ids_may_hold_whatever_the_source_put_there(client: Redis, redis_url: str) -> None:
    strange = ["a/b", "Zoë & co?", "50%", "user 1", "recommendations", "a//b/recommendations"]
    release = sample_release()

    def renamed(slate: str) -> Iterator[SlateBatch]:
        first, *others = release.batches(slate)
        yield replace(first, user_ids=[*strange, *first.user_ids[len(strange) :]])
        yield from others

    publish(client, replace(release, batches=renamed))
    with running_api(redis_url) as api:
        for user_id in strange:
            answer = recommendations(api, quote(user_id, safe=""))
            assert (answer["user_id"], answer["source"]) == (user_id, "personal")


def test_pages_add_up_to_the_list_and_the_last_one_has_no_next(api: httpx.Client) -> None:
    items: list[dict[str, Any]] = []
    offset: int | None = 0
    sizes = []
    while offset is not None:
        page = recommendations(api, "user_7", limit=5, offset=offset)
        items += page["items"]
        sizes.append(len(page["items"]))
        offset = page["next_offset"]
    assert sizes == [5, 5, 2]
    assert items == expected_items("first", "for_you", 7)
    assert recommendations(api, "user_7", limit=6, offset=6)["next_offset"] is None
    beyond = recommendations(api, "user_7", offset=500)
    assert (beyond["items"], beyond["next_offset"], beyond["source"]) == ([], None, "personal")


def test_excluded_tracks_are_left_out_and_the_pages_close_up(api: httpx.Client) -> None:
    whole = [item["track_id"] for item in recommendations(api, "user_7")["items"]]
    exclude = [f"{whole[0]},{whole[3]},", whole[11], "no-such-track"]
    first = recommendations(api, "user_7", exclude=exclude, limit=5)
    second = recommendations(api, "user_7", exclude=exclude, limit=5, offset=first["next_offset"])
    left = [track for track in whole if track not in (whole[0], whole[3], whole[11])]
    assert [item["track_id"] for item in first["items"] + second["items"]] == left
    assert [item["rank"] for item in first["items"] + second["items"]] == list(range(1, 10))
    assert second["next_offset"] is None
    everything = recommendations(api, "user_7", exclude=",".join(whole))
    assert (everything["items"], everything["source"]) == ([], "personal")
    popular = recommendations(api, "nobody", exclude=["t-39,t-37"], limit=2)
    assert [item["track_id"] for item in popular["items"]] == ["t-38", "t-36"]


def test_the_popular_list_has_an_address_of_its_own(api: httpx.Client) -> None:
    body = document(api.get("/v1/popular", params={"limit": 20, "offset": 20}), models.Popular)
    assert [item["track_id"] for item in body["items"]] == [f"t-{key}" for key in range(19, 14, -1)]
    assert (body["source"], body["fallback_reason"], body["next_offset"]) == ("popular", None, None)


def test_where_too_few_people_share_anything_the_popular_list_is_empty_and_personal_ones_are_not(
    client: Redis, redis_url: str
) -> None:
    nothing = PopularTracks(np.empty(0, np.int32), np.empty(0, np.float32))
    release = replace(sample_release(), popular=nothing, country_popular={}, user_countries=lambda: iter(()))
    publish(client, release)
    with running_api(redis_url) as api:
        body = document(api.get("/v1/popular"), models.Popular)
        assert (body["source"], body["items"], body["next_offset"]) == ("popular", [], None)
        nobody = recommendations(api, "nobody")
        assert (nobody["fallback_reason"], nobody["items"]) == ("unknown_user", [])
        assert len(recommendations(api, "user_7")["items"]) == 12


def test_a_country_has_a_popular_list_that_caches_tell_from_every_other(api: httpx.Client, client: Redis) -> None:
    def popular(headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        return api.get("/v1/popular", params=query, headers=headers)

    etags = {}
    for country in COUNTRIES:
        whole = popular(country=country)
        assert whole.headers["cache-control"] == "public, max-age=60"
        assert set(whole.headers["vary"].split(", ")) == {"Accept-Encoding"}
        etags[country] = whole.headers["etag"]
        body = document(whole, models.Popular)
        assert (body["source"], body["fallback_reason"], body["country"]) == ("popular", None, country)
        pages = [document(popular(country=country, limit=5, offset=offset), models.Popular) for offset in (0, 5)]
        assert track_ids(pages[0]) + track_ids(pages[1]) == track_ids(body) == in_country("first", country)
        assert (pages[0]["next_offset"], pages[1]["next_offset"]) == (5, None)
        assert popular(country=country, headers={"If-None-Match": etags[country]}).status_code == 304
    overall, elsewhere = popular(), popular(country="Atlantis")
    assert document(overall, models.Popular)["country"] is None
    assert elsewhere.content == overall.content
    assert len({overall.headers["etag"], *etags.values()}) == 3
    for others in (etags[COUNTRIES[1]], overall.headers["etag"]):
        assert popular(country=COUNTRIES[0], headers={"If-None-Match": others}).status_code == 200
    publish(client, sample_release("second"))
    changed = popular(country=COUNTRIES[0], headers={"If-None-Match": etags[COUNTRIES[0]]})
    assert track_ids(document(changed, models.Popular)) == in_country("second", COUNTRIES[0])


def test_a_track_can_be_looked_up_by_its_public_id(api: httpx.Client) -> None:
    body = document(api.get("/v1/tracks/t-17"), models.Track)
    assert body["track"] == record_document(sample_track("first", 17))
    assert body["as_of"] == "2026-11-22"
    unknown = problem(api.get("/v1/tracks/AC%2FDC"), 404, "unknown-track")
    assert unknown["detail"] == "the live release has no track with the id AC/DC"


def test_similar_tracks_are_listed_best_first_with_where_they_come_from(api: httpx.Client, client: Redis) -> None:
    body = document(api.get("/v1/tracks/t-17/similar"), models.SimilarTracks)
    live = client.get(contract.LIVE)
    assert isinstance(live, bytes)
    keys = sample_similar("first", 17, 40)
    assert len(keys) == 2
    assert body == {
        "release": live.decode(),
        "as_of": "2026-11-22",
        "generated_at": "2026-11-22T03:30:00Z",
        "track": record_document(sample_track("first", 17)),
        "items": [
            {"rank": 1, **record_document(sample_track("first", keys[0])), "score": 2.0},
            {"rank": 2, **record_document(sample_track("first", keys[1])), "score": 1.0},
        ],
        "next_offset": None,
    }
    assert api.get("/v1/tracks/t-17/similar").headers["cache-control"] == "public, max-age=60"


def test_similar_artists_are_listed_with_their_names(api: httpx.Client) -> None:
    body = document(api.get("/v1/artists/a-1/similar"), models.SimilarArtists)
    assert body["artist"] == {"artist_id": "a-1", "name": "Artist 1 of first", "artist_mbid": None}
    expected = [record_document(sample_artist("first", key)) for key in sample_similar("first", 1, ARTISTS)]
    assert [{name: item[name] for name in expected[0]} for item in body["items"]] == expected


@pytest.mark.parametrize(("kind", "last"), [("tracks", "t-39"), ("artists", f"a-{ARTISTS - 1}")])
def test_pages_of_similar_items_add_up_and_what_is_like_no_other_has_an_empty_one(
    api: httpx.Client, kind: str, last: str
) -> None:
    path = f"/v1/{kind}/{last[0]}-1/similar"
    whole = api.get(path).json()["items"]
    first = api.get(path, params={"limit": 1}).json()
    second = api.get(path, params={"limit": 1, "offset": first["next_offset"]}).json()
    assert (first["items"] + second["items"], second["next_offset"]) == (whole, None)
    assert [item["rank"] for item in whole] == [1, 2]
    empty = api.get(f"/v1/{kind}/{last}/similar").json()
    assert (empty["items"], empty["next_offset"]) == ([], None)


def test_what_the_release_does_not_know_is_like_nothing(api: httpx.Client) -> None:
    track = problem(api.get("/v1/tracks/AC%2FDC/similar"), 404, "unknown-track")
    assert track["detail"] == "the live release has no track with the id AC/DC"
    artist = problem(api.get("/v1/artists/t-1/similar"), 404, "unknown-artist")
    assert artist["detail"] == "the live release has no artist with the id t-1"


def test_ids_with_slashes_are_told_from_the_path_behind_them(client: Redis, redis_url: str) -> None:
    strange = {1: "AC/DC", 2: "similar", 3: "a/similar", 4: "a"}
    release = sample_release()

    def renamed() -> Iterator[Sequence[Track]]:
        for tracks in release.tracks():
            yield [track._replace(track_id=strange.get(track.track_key, track.track_id)) for track in tracks]

    publish(client, replace(release, tracks=renamed))
    with running_api(redis_url) as api:
        for track_id in strange.values():
            path = f"/v1/tracks/{quote(track_id, safe='')}"
            assert document(api.get(path), models.Track)["track"]["track_id"] == track_id
            assert document(api.get(f"{path}/similar"), models.SimilarTracks)["track"]["track_id"] == track_id
        assert api.get("/v1/tracks/AC/DC/similar").json()["track"]["track_id"] == "AC/DC"
        assert document(api.get("/v1/tracks/a/similar"), models.SimilarTracks)["track"]["track_id"] == "a"


def test_a_release_of_before_there_were_similar_lists_and_countries_has_none(client: Redis, redis_url: str) -> None:
    name = publish(client, sample_release()).meta.release
    of_artists = (contract.artists_key(name), contract.artist_ids_key(name))
    of_countries = (contract.country_popular_key(name), contract.user_countries_key(name))
    similar = (contract.similar_tracks_key(name), contract.similar_artists_key(name))
    assert client.delete(*of_artists, *of_countries, *similar) == 6
    with running_api(redis_url) as api:
        assert recommendations(api, "user_7")["source"] == "personal"
        assert document(api.get("/v1/tracks/t-17/similar"), models.SimilarTracks)["items"] == []
        problem(api.get("/v1/artists/a-1/similar"), 404, "unknown-artist")
        popular = document(api.get("/v1/popular", params={"country": "Finland"}), models.Popular)
        for answer in (popular, recommendations(api, "new_0"), recommendations(api, "nobody", country="Finland")):
            assert (answer["country"], track_ids(answer)[:2]) == (None, ["t-39", "t-38"])


def test_an_unchanged_answer_is_not_sent_again(api: httpx.Client, client: Redis) -> None:
    path = "/v1/users/user_7/recommendations"
    first = api.get(path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert api.get("/v1/popular").headers["cache-control"] == "public, max-age=60"
    for known in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        again = api.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    publish(client, sample_release("second"))
    changed = api.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_answers_are_gzipped_for_those_who_can_read_that(api: httpx.Client) -> None:
    path = "/v1/users/user_7/recommendations"
    zipped = api.get(path, headers={"Accept-Encoding": "gzip"})
    plain = api.get(path, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.content == plain.content
    assert int(zipped.headers["content-length"]) < len(plain.content) / 3
    known = api.get(path, headers={"If-None-Match": zipped.headers["etag"]})
    assert known.status_code == 304
    for answer in (zipped, plain, known):
        assert answer.headers.get_list("vary", split_commas=True) == ["Accept-Encoding"]


def test_every_answer_has_a_request_id_and_a_given_one_is_kept(api: httpx.Client) -> None:
    given = api.get("/livez", headers={"X-Request-ID": "trace-1.a_b"})
    assert given.headers["x-request-id"] == "trace-1.a_b"
    made_up = {api.get("/livez").headers["x-request-id"] for _ in range(2)}
    assert len(made_up) == 2
    for unsafe in ("a b", "x" * 129, "<script>"):
        assert api.get("/livez", headers={"X-Request-ID": unsafe}).headers["x-request-id"] != unsafe
    assert problem(api.get("/v2", headers={"X-Request-ID": "mine"}), 404, "about:blank")["request_id"] == "mine"
