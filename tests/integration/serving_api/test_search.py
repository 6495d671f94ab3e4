"""Search over HTTP: what is found first, what must not be found, and queries that nobody should send."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest
from api_client import document, problem, running_api
from redis import Redis
from search_catalogue import names, searchable_release

from assets.publish.release import publish
from serving_api.search import models
from serving_api.search.routes import MAX_QUERY_LENGTH


@pytest.fixture(scope="module")
def search(module_redis_url: str) -> Iterator[httpx.Client]:
    """The API, with the made-up catalogue live; tests only read."""
    with Redis.from_url(module_redis_url) as client:
        publish(client, searchable_release())
    with running_api(module_redis_url) as connected:
        yield connected


def found(client: httpx.Client, q: str, **query: Any) -> dict[str, Any]:
    return document(client.get("/v1/search", params={"q": q, **query}), models.Found)


def shown(item: dict[str, Any]) -> str:
    """An artist by name, a track as `artist - title`."""
    return item["name"] if item["kind"] == "artist" else f"{item['artist']} - {item['title']}"


FIRST = [
    # Somebody types, and what is popular comes first.
    ("th", "The Velvet Otters"),
    ("the vel", "The Velvet Otters"),
    ("ott", "The Velvet Otters"),
    ("thunder", "The Velvet Otters - Thunder Alley"),
    ("thunderb", "AB/CD - Thunderbolt"),
    ("love", "Red - Love"),
    ("lovel", "Lovelace"),
    ("hal", "Beyoncette - Halo of Salt"),
    ("gravi", "2Quark - Gravity Love"),
    # What is called just so comes before what is more popular.
    ("halo", "Lovelace - Halo"),
    ("the", "The Velvet Otters - The"),
    ("red", "Red"),
    ("radioheart", "Radioheart"),
    # Accents, case, signs, letters of their own.
    ("motorfjord", "Motörfjord"),
    ("MOTÖRFJORD", "Motörfjord"),
    ("overkill", "Motörfjord - Överkill"),
    ("deja la", "Beyoncette - Déjà Là"),
    ("canon del rio", "Fernando - Cañón del Río"),
    ("lona wolska", "Łona Wolska"),
    ("strassenkatze", "Straßenkatze"),
    ("saeglopa", "Sigur Rósin - Sæglópa"),
    ("trem", "T.R.E.M."),
    ("guns n lilies", "Guns N' Lilies"),
    ("dont cry wolf", "Guns N' Lilies - Don't Cry Wolf"),
    ("simon and garfield", "Simon & Garfield"),
    ("!!!?", "!!!?"),
    # Words written as one, and one as two.
    ("abcd", "AB/CD"),
    ("radio heart", "Radioheart"),
    # Wrong, missing, doubled and swapped letters.
    ("beyonsette", "Beyoncette"),
    ("radiohaert", "Radioheart"),
    ("velvt oters", "The Velvet Otters"),
    ("thnder aley", "The Velvet Otters - Thunder Alley"),
    ("analitical enjine", "Lovelace - Analytical Engine"),
    # The order of words, and artist and title together.
    ("otters velvet", "The Velvet Otters"),
    ("plumber radioheart", "Radioheart - Karma Plumber"),
    ("beyoncette halo", "Beyoncette - Halo of Salt"),
    ("fernando love", "Fernando - Love"),
    # Other scripts: prefixes, accents, typos.
    ("кинол", "Кинолента"),
    ("КИНОЛЕНТА звез", "Кинолента - Звезда по имени Луна"),
    ("елка", "Кинолента - Ёлка"),
    ("пачка песем", "Кинолента - Пачка писем"),
    ("ελευθερια", "Ελευθερία Θαλάσση"),
    ("ΤΡΑΓΟΥΔΙ", "Ελευθερία Θαλάσση - Το τραγούδι της βροχής"),
    ("فيروزه", "فيروزة"),
    ("اعطني", "فيروزة - أعطني القمر"),
    ("نسم علينا", "فيروزة - نسّم علينا الهوى"),
    ("宇多", "宇多野ヒカリ"),
    ("ﾋｶﾘ", "宇多野ヒカリ"),
    ("初めて", "宇多野ヒカリ - 初めての恋"),
    ("방우", "방울소년단"),
    ("봄", "방울소년단 - 봄비"),
    ("2020", "2Quark - ٢٠٢٠"),
]


@pytest.mark.parametrize(("q", "first"), FIRST, ids=[q for q, _ in FIRST])
def test_what_somebody_looks_for_is_found_first(search: httpx.Client, q: str, first: str) -> None:
    items = found(search, q)["items"]
    assert items and shown(items[0]) == first, [shown(item) for item in items]


def test_an_answer_says_where_it_comes_from_and_shows_records_as_their_own_routes_do(search: httpx.Client) -> None:
    body = found(search, "velvet otters")
    assert body["q"] == "velvet otters"
    assert body["fallback_reason"] is None
    ready = search.get("/readyz").json()
    assert all(body[each] == ready[each] for each in ("release", "as_of", "generated_at"))
    ranks = [item["rank"] for item in body["items"]]
    assert ranks == list(range(1, len(ranks) + 1))
    scores = [item["score"] for item in body["items"]]
    assert scores == sorted(scores, reverse=True)
    track = next(item for item in body["items"] if item["kind"] == "track")
    record = search.get(f"/v1/tracks/{track['track_id']}").json()["track"]
    assert {name: track[name] for name in record} == record
    artist = next(item for item in body["items"] if item["kind"] == "artist")
    record = search.get(f"/v1/artists/{artist['artist_id']}/similar").json()["artist"]
    assert {name: artist[name] for name in record} == record


def test_the_kind_and_the_number_of_items_are_as_asked(search: httpx.Client) -> None:
    everything = [shown(item) for item in found(search, "love")["items"]]
    assert {item["kind"] for item in found(search, "love", kind="track")["items"]} == {"track"}
    assert [shown(item) for item in found(search, "love", kind="artist")["items"]] == ["Lovelace"]
    assert [shown(item) for item in found(search, "love", limit=2)["items"]] == everything[:2]
    assert len(everything) > 2
    assert len(set(everything)) == len(everything)


def test_what_one_person_heard_is_found_by_its_whole_name_alone(search: httpx.Client) -> None:
    private = "Basement Tapes of Ida"
    for typed in (
        "basement",
        "basement tapes of",
        "voice",
        "voice memo",
        "grandma",
        "ida",
        "secret gardn shed",
        "base",
    ):
        assert private not in search.get("/v1/search", params={"q": typed}).text, typed
    for typed in ("voice memo for grandma", "Grandma: voice memo for", "ida basement tapes of secret garden shed"):
        (item,) = found(search, typed)["items"]
        assert item["artist"] == private
    assert [shown(item) for item in found(search, "basement tapes of ida")["items"]] == [private]
    # It says nothing of how many there are: whoever is popular has a place, and everybody else one after all of them.
    assert "listeners" not in search.get("/v1/search", params={"q": "secret garden shed"}).text


def test_where_nothing_has_three_listeners_the_answer_says_so(client: Redis, redis_url: str) -> None:
    publish(client, searchable_release("few", [each._replace(listed=False) for each in names()]))
    with running_api(redis_url) as api:
        body = found(api, "halo")
        assert body["fallback_reason"] == "too_few_listeners"
        assert [shown(item) for item in body["items"]] == ["Lovelace - Halo"]
        assert found(api, "hal")["items"] == []


@pytest.mark.parametrize(
    "q",
    [
        'title:(" AND *',
        "a OR b NOT c",
        "words:*",
        "+love -halo",
        "lo*e~2^4",
        "[a TO z]",
        ".*",
        "(((((",
        "\\",
        "love\x00halo\x1b[31m\x7f",
        "\ufffd\ufeff love",
        "😀",
        "a" * MAX_QUERY_LENGTH,
        "ab " * (MAX_QUERY_LENGTH // 3),
        "ﷺ" * MAX_QUERY_LENGTH,
        "\u0301" * 50 + "e",
        "'; drop table tracks; --",
    ],
)
def test_any_text_is_searched_for_as_text(search: httpx.Client, q: str) -> None:
    body = found(search, q)
    assert body["q"] == q
    assert len(body["items"]) <= 20


def test_bytes_that_are_not_text_are_searched_for_as_what_can_be_read_of_them(search: httpx.Client) -> None:
    answer = search.get("/v1/search?q=%ff%fe%80love")
    assert document(answer, models.Found)["items"] is not None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "query.q"),
        ({"q": ""}, "query.q"),
        ({"q": "   \t"}, "query.q"),
        ({"q": "\x00\x01\u200b"}, "query.q"),
        ({"q": "x" * (MAX_QUERY_LENGTH + 1)}, "query.q"),
        ({"q": "love", "kind": "album"}, "query.kind"),
        ({"q": "love", "limit": 0}, "query.limit"),
        ({"q": "love", "limit": 101}, "query.limit"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(search: httpx.Client, query: dict[str, Any], field: str) -> None:
    refused = problem(search.get("/v1/search", params=query), 422, "invalid-request")
    assert [error["field"] for error in refused["errors"]] == [field]


def test_a_query_of_hundreds_of_kilobytes_is_refused_and_the_next_answered(search: httpx.Client) -> None:
    with closing(HTTPConnection(search.base_url.host, search.base_url.port, timeout=10)) as plain:
        plain.request("GET", f"/v1/search?q={'love+' * 40_000}")
        assert plain.getresponse().status in {400, 414, 422, 431}
    problem(search.get("/v1/search", params={"q": "love " * 5_000}), 422, "invalid-request")
    assert found(search, "love")["items"]
