"""What users have blocked by now counts for neither side."""

import pandas as pd

from assets.ranker.lists import ListRules
from assets.release_gate.shadow import unblocked


def rules() -> ListRules:
    """User 1 has blocked artist 20, user 2 track 1."""
    catalogue = pd.DataFrame({"track_key": [1, 2, 3, 4], "artist_key": [10, 20, 20, 30], "title": list("abcd")})
    blocks = pd.DataFrame({"user_key": [1, 2], "item_kind": ["artist", "track"], "item_key": [20, 1]})
    return ListRules(catalogue, blocks)


def test_a_list_closes_the_gaps_of_what_was_blocked_since() -> None:
    lists = pd.DataFrame(
        {"user_key": [2, 1, 1, 1, 1, 2], "track_key": [1, 4, 3, 2, 1, 2], "rank": [1, 4, 2, 3, 1, 2]}, dtype="int32"
    )
    left = unblocked(lists, rules())
    assert left[["user_key", "track_key", "rank"]].to_numpy().tolist() == [[1, 1, 1], [1, 4, 2], [2, 2, 1]]


def test_nor_does_a_track_count_that_was_listened_to_and_then_blocked() -> None:
    relevant = pd.DataFrame({"user_key": [1, 1, 2, 3], "track_key": [1, 2, 1, 2]}, dtype="int32")
    assert unblocked(relevant, rules()).to_numpy().tolist() == [[1, 1], [3, 2]]
    assert unblocked(relevant[:0], rules()).empty
