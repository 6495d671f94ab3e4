"""Popular lists over HTTP: overall and by country, asked for or standing in for a personal list."""

from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from api_client import document, problem, recommendations, running_api
from redis import Redis
from sample_release import (
    COUNTRIES,
    WITHOUT_DISCOVER,
    sample_country,
    sample_release,
)

from assets.publish.content import PopularTracks
from assets.publish.release import publish
from serving_api import contract, models

pytestmark = pytest.mark.own_redis


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
    asked = client.info("commandstats")["cmdstat_hget"]["calls"]
    assert recommendations(api, user_id, country="Norway") == answer, "the profile is not believed"
    assert client.info("commandstats")["cmdstat_hget"]["calls"] == asked, "a list that was read once is read again"
    exclude = ",".join(track_ids(answer)[1:4])
    first = recommendations(api, user_id, exclude=exclude, limit=4)
    second = recommendations(api, user_id, exclude=exclude, limit=4, offset=first["next_offset"])
    left = in_country("first", country)
    del left[1:4]
    assert (track_ids(first) + track_ids(second), second["next_offset"]) == (left, None)
    publish(client, sample_release("second"))
    assert track_ids(recommendations(api, user_id)) == in_country("second", country)


def test_an_app_may_say_the_country_of_users_that_the_release_knows_none_for(api: httpx.Client) -> None:
    unknown = recommendations(api, "nobody", country=COUNTRIES[1])
    assert (unknown["fallback_reason"], unknown["country"]) == ("unknown_user", COUNTRIES[1])
    assert track_ids(unknown) == in_country("first", COUNTRIES[1])
    heard = recommendations(api, WITHOUT_DISCOVER, slate="discover", country=COUNTRIES[0])
    assert (heard["fallback_reason"], heard["country"]) == ("empty_slate", COUNTRIES[0])
    assert track_ids(heard) == in_country("first", COUNTRIES[0])
    assert recommendations(api, "user_7", country=COUNTRIES[0]) == recommendations(api, "user_7")
    of_nowhere = recommendations(api, "nobody", country="finland")
    assert of_nowhere.pop("next").startswith("/v1/users/nobody/recommendations?country=finland&cursor=")
    overall = recommendations(api, "nobody")
    del overall["next"]
    assert of_nowhere == overall
    assert recommendations(api, "nobody")["country"] is None


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
        without = recommendations(api, WITHOUT_DISCOVER, slate="discover")
        for answer in (body, recommendations(api, "nobody"), recommendations(api, "nobody", country="Norway"), without):
            assert (answer["source"], answer["fallback_reason"], answer["items"]) == (
                "popular",
                "too_few_listeners",
                [],
            )
        own = recommendations(api, "user_7")
        assert (own["source"], own["fallback_reason"], len(own["items"])) == ("personal", None, 12)


def test_a_page_beyond_the_end_of_a_popular_list_does_not_make_the_list_an_empty_one(api: httpx.Client) -> None:
    beyond = document(api.get("/v1/popular", params={"offset": 100}), models.Popular)
    assert (beyond["items"], beyond["fallback_reason"]) == ([], None)
    assert recommendations(api, "nobody", offset=100)["fallback_reason"] == "unknown_user"


def test_a_list_of_their_own_that_no_ranker_ordered_says_so(client: Redis, redis_url: str) -> None:
    untrained = {"for_you": "untrained/own_plays", "discover": "discover-1"}
    publish(client, replace(sample_release(), model_versions=untrained))
    with running_api(redis_url) as api:
        own, trained = (recommendations(api, "user_7", slate=slate) for slate in untrained)
        assert (own["source"], own["fallback_reason"]) == ("personal", "no_model")
        assert (own["model_version"], len(own["items"])) == ("untrained/own_plays", 12)
        assert (trained["source"], trained["fallback_reason"]) == ("personal", None)
        assert recommendations(api, "nobody")["fallback_reason"] == "unknown_user"


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
    assert track_ids(elsewhere.json()) == track_ids(overall.json())
    assert len({overall.headers["etag"], *etags.values()}) == 3
    for others in (etags[COUNTRIES[1]], overall.headers["etag"]):
        assert popular(country=COUNTRIES[0], headers={"If-None-Match": others}).status_code == 200
    publish(client, sample_release("second"))
    changed = popular(country=COUNTRIES[0], headers={"If-None-Match": etags[COUNTRIES[0]]})
    assert track_ids(document(changed, models.Popular)) == in_country("second", COUNTRIES[0])


def test_a_release_without_artists_similar_lists_and_countries_answers_without_them(
    client: Redis, redis_url: str
) -> None:
    # Redis keeps no empty hash: where nothing is alike and no country is known, the keys are missing.
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
