"""Rules at read do what a slow and obvious reference does, and pages of what they leave are the whole of it."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from serving_api.answers import PopularItem, PopularList
from serving_api.contract import Blocks, Track, TrackDetails
from serving_api.pages import Cursor, Item, Window
from serving_api.records import known
from serving_api.rule_fields import ContradictionError, RuleFields, Scenario, rules_of
from serving_api.rules import BAND, Boost, Filter, Rules, Values, Years, arranged

ARTISTS = ["a-1", "a-2", "a-3"]
TAGS = ["pop", "rock", "jazz"]
YEARS = range(1990, 1996)


def track(
    key: int, artist: str | None, tags: Sequence[str] = (), year: int | None = None, explicit: Any = None
) -> Track:
    return Track(key, f"t-{key}", None, None, artist, None, TrackDetails(None, None, None, tuple(tags), year, explicit))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


VALUES = st.builds(
    Values,
    st.frozensets(st.sampled_from(ARTISTS), max_size=1),
    st.frozensets(st.sampled_from(TAGS), max_size=2),
    st.lists(st.tuples(st.sampled_from(YEARS), st.integers(0, 3)), max_size=1).map(
        lambda ranges: tuple(Years(first, first + more) for first, more in ranges)
    ),
    maybe(st.booleans()),
)
BOOSTS = st.builds(Boost, st.just("artist"), st.sampled_from(ARTISTS), st.integers(-9, 9)) | st.builds(
    Boost, st.just("tag"), st.sampled_from(TAGS), st.integers(-9, 9)
)
MOVES = BOOSTS | st.builds(Boost, st.just("track"), st.integers(0, 50).map("t-{}".format), st.integers(-50, 50))
RULES = st.builds(
    Rules,
    st.lists(st.builds(Filter, st.just(Values()) | VALUES, st.just(Values()) | VALUES), max_size=2).map(tuple),
    st.lists(MOVES, max_size=3).map(tuple),
    st.just({}),
    maybe(st.integers(1, 3)),
    maybe(st.integers(0, 400).map(lambda days: date(2026, 1, 1) + timedelta(days=days))),
)
PINS = st.dictionaries(st.integers(1, 50), st.integers(0, 45), max_size=4)
# A track of each kind that there can be: a list is drawn as bytes, which is far quicker than part by part.
KINDS = list(
    itertools.product(
        (None, *ARTISTS),
        [(), *itertools.combinations(TAGS, 1), *itertools.combinations(TAGS, 2)],
        (None, *YEARS),
        (None, True, False),
    )
)
# Two bytes for each track.
LIST = st.binary(max_size=70).map(
    lambda drawn: [
        track(key, *KINDS[int.from_bytes(drawn[2 * key : 2 * key + 2]) % len(KINDS)]) for key in range(len(drawn) // 2)
    ]
)


def passes(track: Track, rules: Rules) -> bool:
    """Whether every filter lets the track through: of each kind one of what it includes, none of what it excludes."""
    for each in rules.filters:
        for values, wanted in ((each.include, True), (each.exclude, False)):
            has = {
                "artist": track.artist_id in values.artist_ids,
                "tag": any(tag in values.tags for tag in track.details.tags),
                "year": any(track.details.release_year in range(first, last + 1) for first, last in values.years),
                "explicit": track.details.explicit is not None and track.details.explicit == values.explicit,
            }
            stated = {
                "artist": len(values.artist_ids) > 0,
                "tag": len(values.tags) > 0,
                "year": len(values.years) > 0,
                "explicit": values.explicit is not None,
            }
            if any(stated[kind] and has[kind] != wanted for kind in has):
                return False
    return True


def reference(tracks: list[Track], rules: Rules, pins: dict[int, Track]) -> list[str]:
    """The ids that are left of a list, in order; one step after the other, and one track at a time."""
    placed = {rank: pin for rank, pin in pins.items() if passes(pin, rules)}
    rest = [
        each for each in tracks if passes(each, rules) and each.track_id not in [pin.track_id for pin in pins.values()]
    ]
    goals = []
    for rank, each in enumerate(rest):
        up = 0
        for boost in rules.boosts:
            what = {"artist": [each.artist_id], "tag": each.details.tags, "track": [each.track_id]}[boost.scope]
            if boost.value in what:
                up += boost.ranks
        goals.append(rank - up + (-0.5 if up > 0 else 0.5 if up < 0 else 0.0))
    order = sorted(range(len(rest)), key=lambda number: (goals[number], number))
    rest = [rest[number] for number in order]
    if rules.rotated_on:
        salt = str(rules.rotated_on).encode()
        shuffled: list[Track] = []
        while rest:
            band, rest = rest[:10], rest[10:]
            lots = {
                each.track_id: hashlib.blake2b(each.track_id.encode(), key=salt, digest_size=8).hexdigest()
                for each in band
            }
            shuffled += sorted(band, key=lambda each: lots[each.track_id])
        rest = shuffled
    if rules.max_per_artist:
        left: list[Track] = []
        for each in rest:
            same = [other for other in [*placed.values(), *left] if other.artist_id == each.artist_id]
            if each.artist_id is None or len(same) < rules.max_per_artist:
                left.append(each)
        rest = left
    answer = []
    for rank in range(1, 200):
        if rank in placed:
            answer.append(placed.pop(rank))
        elif rest:
            answer.append(rest.pop(0))
    return [each.track_id for each in answer]


def pinned_by_rank(tracks: list[Track], pins: dict[int, int]) -> dict[int, Track]:
    """Tracks to be pinned, each at one rank only; those beyond the end of the list are not in it."""
    others = [track(key, ARTISTS[key % 3], TAGS[:1], 1993, False) for key in range(len(tracks), 50)]
    return {rank: [*tracks, *others][key] for key, rank in {key: rank for rank, key in pins.items()}.items()}


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(LIST, RULES, PINS)
def test_what_is_left_of_a_list_is_what_a_slow_reference_says(
    tracks: list[Track], rules: Rules, pins: dict[int, int]
) -> None:
    by_rank = pinned_by_rank(tracks, pins)
    ruled = replace(rules, pins={pin.track_id: rank for rank, pin in by_rank.items()})
    found = arranged(tracks, ruled, {pin.track_id: pin for pin in by_rank.values()})
    assert [each.track_id for each in found] == reference(tracks, rules, by_rank)


@settings(max_examples=300, deadline=None)
@given(LIST, RULES, PINS, st.integers(1, 12), st.frozensets(st.integers(0, 40), max_size=5))
def test_pages_put_together_are_the_whole_list_without_what_is_blocked_or_excluded(
    tracks: list[Track], rules: Rules, pins: dict[int, int], limit: int, gone: frozenset[int]
) -> None:
    by_rank = pinned_by_rank(tracks, pins)
    ruled = replace(rules, pins={pin.track_id: rank for rank, pin in by_rank.items()})
    popular = PopularList(None, [item(each) for each in tracks])
    pinned = {pin.track_id: item(pin) for pin in by_rank.values()}
    blocks = Blocks(frozenset(f"t-{key}" for key in gone if key % 2), frozenset({"a-3"} if 4 in gone else ()))
    exclude = frozenset(f"t-{key}" for key in gone if key % 2 == 0)
    left = [each for each in tracks if each.track_id not in exclude]
    held = {rank: pin for rank, pin in by_rank.items() if pin.track_id not in exclude}
    blocked = {each.track_id for each in (*tracks, *by_rank.values()) if blocks.hold(each)}
    expected = [each for each in reference(left, rules, held) if each not in blocked]
    by_offset: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = popular.page(Window(limit, offset, exclude, rules=ruled), blocks, pinned)
        shown = orjson.loads(page.json())
        assert [each["rank"] for each in shown] == list(range(offset + 1, offset + len(shown) + 1))
        by_offset += [each["track_id"] for each in shown]
        offset = page.next_offset
    by_cursor: list[str] = []
    after: Cursor | None = None
    while True:
        page = popular.page(Window(limit, exclude=exclude, after=after, rules=ruled), blocks, pinned)
        by_cursor += [each.public_id for each in page.items]
        after = page.cursor("2026-11-22-3f9a1c07", own=False)
        if after is None:
            break
        # What is blocked between two pages goes from those that come, and moves nothing else.
        if len(expected) > len(by_cursor) + 2 and 7 in gone:
            also = expected.pop(len(by_cursor) + 1)
            blocks = blocks._replace(track_ids=blocks.track_ids | {also})
            by_offset.remove(also)
    assert by_offset == by_cursor == expected


def item(track: Track) -> PopularItem:
    return PopularItem(track, Item(track.track_id, known(track).shown))


def test_a_boost_moves_by_as_many_ranks_and_several_add_up() -> None:
    tracks = [track(key, f"a-{key}", ("slow",) if key == 4 else ()) for key in range(6)]

    def ids(*boosts: Boost) -> list[int]:
        return [each.track_key for each in arranged(tracks, Rules(boosts=boosts), {})]

    assert ids(Boost("track", "t-4", 2)) == [0, 1, 4, 2, 3, 5]
    assert ids(Boost("track", "t-1", -3)) == [0, 2, 3, 4, 1, 5]
    assert ids(Boost("tag", "slow", 2), Boost("artist", "a-4", 1)) == [0, 4, 1, 2, 3, 5]
    assert ids(Boost("track", "t-4", 99), Boost("track", "t-5", 99)) == [4, 5, 0, 1, 2, 3]
    assert ids(Boost("track", "t-4", 2), Boost("tag", "slow", -2)) == [0, 1, 2, 3, 4, 5]


def test_days_differ_and_one_day_has_one_order_within_its_bands() -> None:
    tracks = [track(key, None) for key in range(25)]
    days = [date(2026, 11, 1) + timedelta(days=number) for number in range(30)]
    orders = [[each.track_key for each in arranged(tracks, Rules(rotated_on=day), {})] for day in days]
    assert orders == [[each.track_key for each in arranged(tracks, Rules(rotated_on=day), {})] for day in days]
    for order in orders:
        assert [sorted(order[start : start + BAND]) for start in (0, 10, 20)] == [
            list(range(10)),
            list(range(10, 20)),
            list(range(20, 25)),
        ]
    # By chance alone one of ten leads; of 30 days, each of them hardly ever leads more than ten.
    leading = [order[0] for order in orders]
    assert len(set(leading)) >= 6
    assert max(map(leading.count, leading)) <= 10


def test_a_request_and_a_scenario_hold_together() -> None:
    asked = RuleFields(include_tag=("Pop",), max_per_artist=3, include_year=("1990-1995", "2001"))
    scenario = Scenario.model_validate(
        {
            "exclude_explicit": True,
            "max_per_artist": 2,
            "rotate": "2026-11-22",
            "pins": [{"track_id": "t-1", "rank": 3}],
            "boosts": [{"scope": "tag", "value": "Jazz", "ranks": -5}],
        }
    )
    alone, both = rules_of(asked, None, None), rules_of(asked, "kids", scenario)
    assert alone == Rules(
        (Filter(Values(tags=frozenset({"pop"}), years=(Years(1990, 1995), Years(2001, 2001)))),), max_per_artist=3
    )
    assert both == Rules(
        (*alone.filters, Filter(exclude=Values(explicit=True))),
        (Boost("tag", "jazz", -5),),
        {"t-1": 3},
        2,
        date(2026, 11, 22),
    )
    assert rules_of(RuleFields(rotate=date(2026, 1, 1)), "kids", scenario).rotated_on == date(2026, 1, 1)
    with pytest.raises(ContradictionError) as refused:
        rules_of(RuleFields(include_explicit=True), "kids", scenario)
    assert refused.value.field == "include_explicit"
    without = Scenario(exclude_tag=("POP", "rock"))
    with pytest.raises(ContradictionError, match="the scenario calm excludes all that this includes"):
        rules_of(RuleFields(include_tag=("pop",)), "calm", without)
    assert len(rules_of(RuleFields(include_tag=("pop", "jazz")), "calm", without).filters) == 2


@pytest.mark.parametrize(
    ("field", "rules"),
    [
        ("exclude_tag", {"include_tag": ["Pop"], "exclude_tag": ["rock", "pop"]}),
        ("exclude_artist", {"include_artist": ["a-1"], "exclude_artist": ["a-1"]}),
        ("exclude_year", {"include_year": ["1990-1999"], "exclude_year": ["1990-1999"]}),
        ("include_year", {"include_year": ["1999-1990"]}),
        ("exclude_explicit", {"include_explicit": False, "exclude_explicit": False}),
        ("pins", {"pins": [{"track_id": "t-1", "rank": 1}, {"track_id": "t-2", "rank": 1}]}),
        ("pins", {"pins": [{"track_id": "t-1", "rank": 1}, {"track_id": "t-1", "rank": 2}]}),
        ("include_year.0", {"include_year": ["the nineties"]}),
        ("max_per_artist", {"max_per_artist": 0}),
        ("boosts.0.scope", {"boosts": [{"scope": "album", "value": "x", "ranks": 1}]}),
        ("colour", {"colour": "blue"}),
    ],
)
def test_rules_that_cannot_hold_are_refused_by_the_field_that_says_so(field: str, rules: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        Scenario.model_validate_json(orjson.dumps(rules))
    assert [".".join(map(str, fault["loc"])) for fault in refused.value.errors()] == [field]


@pytest.mark.parametrize("rotate", [0, "0", "1764460800", "2026-11-22T00:00:00", "20261122", "2026-13-01", "days", ""])
def test_a_day_is_written_as_dates_are(rotate: object) -> None:
    assert RuleFields.model_validate({"rotate": "2026-11-22"}).rotated_on == date(2026, 11, 22)
    with pytest.raises(ValidationError):
        RuleFields.model_validate({"rotate": rotate})
