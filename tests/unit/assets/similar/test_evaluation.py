"""Co-listening recall by hand: what counts as heard next to a track, and how it is averaged."""

import numpy as np
import pandas as pd
import pytest

from assets.candidates.history import History
from assets.listens import Floats, Ints, Listens
from assets.similar.evaluation import SIMILAR, evaluate, occurrences
from tests.unit.assets.candidates.small_listens import AS_OF, listens_of


class Listed:
    """A source that lists the given tracks for each track, best first."""

    name = "listed"

    def __init__(self, history: History, lists: dict[int, list[int]]) -> None:
        self._scores = np.zeros((len(history.tracks), len(history.tracks)), np.float32)
        for key, listed in lists.items():
            places = np.searchsorted(history.tracks, listed)
            self._scores[np.searchsorted(history.tracks, key), places] = 1.0 / (1 + np.arange(len(listed)))

    def scores(self, codes: Ints) -> Floats:
        return self._scores[codes].copy()


def heard_before(*tracks: int) -> History:
    return History(listens_of([(0, track, 10.0, 0) for track in tracks]), AS_OF)


def horizon(*listens: tuple[int, int, int, int]) -> Listens:
    """Listens from (user_key, track_key, second, session_key)."""
    frame = pd.DataFrame(listens, columns=["user_key", "track_key", "listened_at", "session_key"])
    return Listens.from_frame(frame)


def test_relevant_are_the_others_of_the_session_and_of_the_users_next_one() -> None:
    history = heard_before(1, 2, 3, 4)
    found = occurrences(
        horizon(
            *((7, 1, 10, 500), (7, 2, 20, 500), (7, 2, 30, 500)),
            # A session may have a lower key than the one before it; track 9 was never heard before.
            *((7, 3, 90, 400), (7, 9, 95, 400)),
            # Another user's session between the two, with nothing else in it, and nothing after it.
            (8, 4, 50, 450),
            # The same track again is nothing else.
            *((9, 4, 10, 600), (9, 4, 80, 700)),
        ),
        history,
    )
    seen = zip(found.user_key, history.tracks[found.code], found.relevant, strict=True)
    # To tracks 1 and 2 the other one, 3 and 9; to track 3 only 9; track 9 does not occur, having no list.
    assert sorted(map(tuple, map(np.array, seen)), key=str) == [(7, 1, 3), (7, 2, 3), (7, 3, 1)]


def test_recall_is_averaged_over_a_users_occurrences_and_then_over_users() -> None:
    history = heard_before(1, 2, 3, 4)
    found = occurrences(
        horizon(
            *((7, 1, 10, 500), (7, 2, 20, 500), (7, 3, 90, 501), (7, 9, 95, 501)),
            *((8, 1, 10, 502), (8, 4, 20, 502)),
        ),
        history,
    )
    result = evaluate(
        {SIMILAR: Listed(history, {1: [2, 4], 2: [1, 3], 4: [1]}), "nothing": Listed(history, {})}, found, history
    )
    # User 7: 2 of {2, 3, 9}; 1 and 3 of {1, 3, 9}; nothing of {9}. User 8: 4 of {4}; 1 of {1}.
    assert result.per_user[SIMILAR]["recall@10"] == pytest.approx([(1 / 3 + 2 / 3 + 0) / 3, 1.0])
    assert result.mean(SIMILAR, "recall@50") == pytest.approx(2 / 3)
    assert (result.users, result.occurrences) == (2, 5)
    assert result.mean("nothing", "recall@10") == 0
    delta, low, high = result.ahead_of("nothing")
    assert delta == pytest.approx(2 / 3)
    assert low == pytest.approx(1 / 3)
    assert high == pytest.approx(1.0)


def test_a_list_of_ten_can_hold_all_that_recall_at_ten_asks_for() -> None:
    tracks = list(range(1, 14))
    history = heard_before(*tracks)
    found = occurrences(horizon(*((7, track, track, 500) for track in tracks)), history)
    lists = {track: [other for other in tracks if other != track] for track in tracks}
    lists[1] = lists[1][:6]
    result = evaluate({SIMILAR: Listed(history, lists)}, found, history)
    assert result.per_user[SIMILAR]["recall@10"] == pytest.approx([(12 + 6 / 10) / 13])
    assert result.per_user[SIMILAR]["recall@50"] == pytest.approx([(12 + 6 / 12) / 13])


@pytest.mark.parametrize("block", [1, 2, 20_000])
def test_the_result_does_not_depend_on_how_many_occurrences_are_judged_a_time(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.similar.evaluation._BLOCK", block)
    history = heard_before(1, 2, 3)
    found = occurrences(horizon((7, 1, 10, 500), (7, 2, 20, 500), (8, 2, 10, 501), (8, 3, 20, 501)), history)
    result = evaluate({SIMILAR: Listed(history, {1: [2], 2: [3], 3: [1]})}, found, history)
    assert result.per_user[SIMILAR]["recall@10"] == pytest.approx([0.5, 0.5])
