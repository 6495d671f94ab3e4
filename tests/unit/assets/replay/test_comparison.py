"""How a replay is counted and put into words."""

from datetime import date
from typing import cast

import pandas as pd

from assets.ranker.registry import Champion
from assets.ranker.training import RankerModel
from assets.replay.comparison import Change, SlateComparison, compare
from assets.replay.lists import Replayed
from assets.slates import Slate

AS_OF = date(2026, 6, 1)


def batch(now: dict[int, list[int]], then: dict[int, list[int]]) -> Replayed:
    """Lists of tracks by user."""

    def frame(lists: dict[int, list[int]]) -> pd.DataFrame:
        rows = [(user, track, rank) for user, tracks in lists.items() for rank, track in enumerate(tracks, start=1)]
        return pd.DataFrame(rows, columns=["user_key", "track_key", "rank"])

    model = Champion("for_you-1", AS_OF, cast(RankerModel, None))
    return Replayed(Slate.FOR_YOU, model, frame(now), frame(then))


def test_lists_in_another_order_shorter_or_at_one_of_the_times_alone_are_other_lists() -> None:
    same = batch({1: [7, 8]}, {1: [7, 8]})
    others = batch({2: [7, 8], 3: [7], 4: [7]}, {2: [8, 7], 3: [7, 8], 5: [7]})
    compared = compare([same, others])[Slate.FOR_YOU]
    assert (compared.users, compared.lists_made_then, compared.other_lists, compared.same) == (4, 4, 4, False)
    assert compared.others == [2, 3, 4, 5]
    assert compare([same])[Slate.FOR_YOU].same
    nothing_then = compare([batch({1: [7]}, {})])[Slate.FOR_YOU]
    assert nothing_then.same
    assert nothing_then.as_json()["users_with_other_lists"] is None


def test_the_verdict_names_what_changed_only_where_lists_differ() -> None:
    compared = SlateComparison("for_you-1", AS_OF, users=3, lists_made_then=3)
    compared.changes = [Change("blocks", "1 block was added"), Change("code", "the code is another one")]
    assert compared.verdict(AS_OF) == "for_you-1: 3 lists, the same as those made then"
    compared.other_lists = 2
    said = "for_you-1: 3 lists, 2 differ from those made then. Since then: "
    assert compared.verdict(AS_OF) == f"{said}1 block was added; the code is another one"
    compared.others_named = ["user_1", "[unknown]"]
    assert compared.verdict(AS_OF).startswith(
        "for_you-1: 3 lists, 2 differ from those made then (of user_1, [unknown])."
    )
    compared.others_named = ["user_1"]
    assert "(of user_1 and 1 more). Since then: 1 block was added" in compared.verdict(AS_OF)
    assert compared.as_json()["other_lists_of"] == ["user_1"]
    compared.changes, compared.others_named = [], []
    assert compared.verdict(AS_OF).startswith(f"{said}nothing that is on record has changed")
    assert "had seen what came after" in compared.verdict(date(2026, 5, 1))


def test_lists_that_no_ranker_ordered_were_trained_on_nothing() -> None:
    compared = SlateComparison("untrained/own_plays", None, users=1, lists_made_then=1)
    assert compared.verdict(AS_OF) == "untrained/own_plays: 1 list, the same as those made then"
    assert compared.as_json()["trained_as_of"] is None
