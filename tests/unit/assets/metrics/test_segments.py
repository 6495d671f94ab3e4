"""Segments of users and of tracks, and the metrics of two models in them, by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.listens import SECONDS_PER_DAY, Listens, epoch_seconds
from assets.metrics.heard import Heard, heard_before
from assets.metrics.protocol import evaluate
from assets.metrics.segments import by_activity, by_country, by_popularity, measured_segments, new_listeners, new_tracks

AS_OF = date(2020, 3, 1)
NOW = epoch_seconds(AS_OF)


def heard(rows: list[tuple[int, int, int]]) -> Heard:
    """Of listens (user, track, days before)."""
    frame = pd.DataFrame(rows, columns=["user_key", "track_key", "days"])
    frame["listened_at"] = NOW - SECONDS_PER_DAY * frame["days"]
    return heard_before(Listens.from_frame(frame.assign(session_key=0)))


def test_light_medium_and_heavy_are_thirds_of_the_users_by_what_they_had_listened_to() -> None:
    masks = by_activity(np.array([5, 1, 9, 2, 7, 3]))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == {
        "light": [1, 3],
        "medium": [0, 5],
        "heavy": [2, 4],
    }
    assert list(by_activity(np.array([4, 4, 4]))) == ["light"]


def test_new_listeners_first_listened_in_the_28_days_before() -> None:
    first = NOW - SECONDS_PER_DAY * np.array([1, 28, 29, 400]) - np.array([0, 0, 0, 1])
    assert new_listeners(first, AS_OF)["new"].tolist() == [True, True, False, False]
    assert new_listeners(first[2:], AS_OF) == {}


def test_countries_are_the_five_largest_with_enough_users() -> None:
    sizes = {"Chile": 41, "Angola": 40, "Benin": 60, "Egypt": 29, "Fiji": 31, "Gabon": 30, "Haiti": 33}
    names = [name for name, size in sizes.items() for _ in range(size)]
    country = pd.Series(names, index=pd.Index(range(len(names)), name="user_key"))
    # One user of Chile is not evaluated, and 50 who are state no country.
    users = np.arange(1, len(names) + 50, dtype=np.int32)
    masks = by_country(users, country)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "Benin": 60,
        "Angola": 40,
        "Chile": 40,
        "Haiti": 33,
        "Fiji": 31,
    }
    assert list(masks) == ["Benin", "Angola", "Chile", "Haiti", "Fiji"]
    few = by_country(users, country[~country.isin(["Benin", "Angola", "Chile"])])
    assert list(few) == ["Haiti", "Fiji", "Gabon"]
    assert by_country(users, country.iloc[:0]) == {}


def test_head_tracks_have_more_listeners_than_four_fifths_of_those_heard() -> None:
    known = heard([(user, track, 1) for track in range(10) for user in range(1 + max(0, track - 6))])
    # Listeners of the tracks 0 to 9: seven times 1, then 2, 3 and 4.
    masks = by_popularity(np.array([9, 8, 7, 0, 55]), known)
    assert masks["head"].tolist() == [True, True, False, False, False]
    assert masks["tail"].tolist() == [False, False, True, True, False]
    assert masks["unheard"].tolist() == [False, False, False, False, True]


def test_new_tracks_were_first_heard_by_anyone_in_the_14_days_before() -> None:
    known = heard([(1, 5, 14), (2, 5, 3), (1, 6, 15), (2, 6, 1), (3, 7, 1), (3, 9, 400)])
    mask = new_tracks(np.array([7, 6, 5, 9, 55]), known, AS_OF)
    assert mask["new"].tolist() == [True, False, True, False, False]
    assert new_tracks(np.array([6, 9, 55]), known, AS_OF) == {}


def test_where_all_tracks_are_heard_by_as_many_there_is_no_head() -> None:
    assert list(by_popularity(np.array([1, 2]), heard([(1, 1, 1), (1, 2, 1)]))) == ["tail"]


@pytest.fixture
def measured() -> dict[str, dict]:
    """Users 0 to 5 listened 1 to 6 times, the first of them lately; track 9 is head, 1 to 5 are tail, 99 unheard.

    The model lists what user 0 plays first, the baseline second; of others the baseline alone knows something.
    """
    known = heard(
        [(user, 9, 40 if user else 3) for user in range(6)]
        + [(user, track, 30) for user in range(6) for track in range(1, user + 1) if track == user]
        + [(user, user, 20) for user in range(6) for _ in range(user - 1)]
    )
    assert known.listens.tolist() == [1, 2, 3, 4, 5, 6]
    relevant = pd.DataFrame({"user_key": [0, 0, 1, 2], "track_key": [9, 99, 1, 9]}, dtype=np.int32)

    def lists(tracks_of: dict[int, list[int]]) -> pd.DataFrame:
        rows = [(user, track, rank) for user, tracks in tracks_of.items() for rank, track in enumerate(tracks, start=1)]
        return pd.DataFrame(rows, columns=["user_key", "track_key", "rank"])

    ranked = {
        "ranker": lists({0: [9, 99], 1: [5], 2: [3, 9]}),
        "als": lists({0: [5, 9], 1: [1], 2: [9]}),
        "popular": lists({0: [5]}),
    }
    evaluation = evaluate(ranked, relevant)
    country = pd.Series([], index=pd.Index([], name="user_key"), dtype="str")
    segments = measured_segments(evaluation, ranked, relevant, known, country, AS_OF, "ranker")
    return {each["segment"]: each for each in segments}


def test_each_segment_has_its_users_and_the_models_in_it(measured: dict[str, dict]) -> None:
    assert list(measured) == ["new", "light", "medium", "heavy", "head", "tail", "unheard"]
    new, light = measured["new"], measured["light"]
    second, both = 1 / np.log2(3), 1 + 1 / np.log2(3)
    assert (new["by"], new["users"], new["listens"], new["relevant"]) == ("listeners", 1, [1, 1], 2)
    assert new["metric"] == light["metric"] == "ndcg@100"
    assert {model: each["mean"] for model, each in new["models"].items()} == pytest.approx(
        {"ranker": 1.0, "als": second / both}
    )
    assert new["models"]["ranker"]["ci95"] == pytest.approx([1.0, 1.0])
    # Of three users the lightest third is the new one.
    assert {name: measured[name]["listens"] for name in ("light", "medium", "heavy")} == {
        "light": [1, 1],
        "medium": [2, 2],
        "heavy": [3, 3],
    }
    assert measured["heavy"]["models"]["ranker"]["mean"] == pytest.approx(second)
    assert measured["heavy"]["paired"]["delta"] == pytest.approx(second - 1)
    assert (measured["medium"]["paired"]["against"], measured["medium"]["paired"]["delta"]) == ("als", -1.0)


def test_the_recall_of_head_and_tail_is_over_the_users_who_have_such_tracks(measured: dict[str, dict]) -> None:
    head, tail, unheard = (measured[name] for name in ("head", "tail", "unheard"))
    assert {each["metric"] for each in (head, tail, unheard)} == {"recall@100"}
    assert [(each["users"], each["relevant"], each["listens"]) for each in (head, tail, unheard)] == [
        (2, 2, None),
        (1, 1, None),
        (1, 1, None),
    ]
    recall = {name: {m: v["mean"] for m, v in measured[name]["models"].items()} for name in ("head", "tail", "unheard")}
    assert recall == {
        "head": {"ranker": 1.0, "als": 1.0},
        "tail": {"ranker": 0.0, "als": 1.0},
        "unheard": {"ranker": 1.0, "als": 0.0},
    }


def test_lists_with_nothing_to_compare_with_are_measured_alone() -> None:
    relevant = pd.DataFrame({"user_key": [1], "track_key": [9]}, dtype=np.int32)
    lists = pd.DataFrame({"user_key": [1], "track_key": [9], "rank": [1]})
    evaluation = evaluate({"lists": lists}, relevant, model="lists")
    country = pd.Series([], index=pd.Index([], name="user_key"), dtype="str")
    measured = measured_segments(evaluation, {"lists": lists}, relevant, heard([(1, 9, 60)]), country, AS_OF, "lists")
    assert [each["segment"] for each in measured] == ["light", "tail"]
    assert [(list(each["models"]), each["paired"]) for each in measured] == [(["lists"], None)] * 2


def test_new_tracks_are_measured_beside_the_kinds_that_they_are_of_as_well() -> None:
    relevant = pd.DataFrame({"user_key": [1, 1, 2], "track_key": [8, 9, 9]}, dtype=np.int32)
    lists = pd.DataFrame({"user_key": [1, 2], "track_key": [9, 9], "rank": [1, 1]})
    evaluation = evaluate({"lists": lists}, relevant, model="lists")
    country = pd.Series([], index=pd.Index([], name="user_key"), dtype="str")
    known = heard([(1, 9, 60), (2, 9, 60), (3, 8, 2)])
    measured = measured_segments(evaluation, {"lists": lists}, relevant, known, country, AS_OF, "lists")
    of_tracks = {each["segment"]: each for each in measured if each["by"] == "tracks"}
    assert {name: (each["users"], each["relevant"]) for name, each in of_tracks.items()} == {
        "new": (1, 1),
        "tail": (2, 3),
    }
    assert {name: each["models"]["lists"]["mean"] for name, each in of_tracks.items()} == {
        "new": 0.0,
        "tail": pytest.approx((1 / 2 + 1) / 2),
    }
