"""History, top-k selection and the merged pool of candidates."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.candidates.als import AlsConfig
from assets.candidates.history import History
from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.candidates.source import ABSENT, best_within, ranks_within, top_k
from assets.listens import SECONDS_PER_DAY, Listens, epoch_seconds
from assets.slates import Slate

AS_OF = date(2020, 3, 1)
CONFIG = SourcesConfig(configs={"als": AlsConfig(factors=8, regularization=1.0)})


def world(seed: int = 3, shift: int = 0) -> Listens:
    """600 listens of 15 users and 80 tracks in the 150 days before AS_OF; `shift` moves every key up."""
    draw = np.random.default_rng(seed)
    user, track = draw.integers(0, 15, 600), draw.zipf(1.4, 600) % 80
    frame = pd.DataFrame(
        {
            "user_key": user + shift,
            "track_key": track + shift,
            "listened_at": epoch_seconds(AS_OF) - draw.integers(1, 150 * SECONDS_PER_DAY, 600),
            "session_key": user * 8 + draw.integers(0, 8, 600),
        }
    )
    return Listens.from_frame(frame)


@pytest.fixture(scope="module")
def sources() -> Sources:
    return fit_sources(world(), AS_OF, CONFIG)


def test_as_of_is_midnight_utc() -> None:
    assert epoch_seconds(date(1970, 1, 2)) == SECONDS_PER_DAY


def test_listens_before_as_of_stop_short_of_its_first_second() -> None:
    instant = epoch_seconds(AS_OF)
    times = np.array([instant - 1, instant, instant + 1])
    listens = Listens(np.zeros(3, np.int32), np.arange(3, dtype=np.int32), times, np.zeros(3, np.int64))
    assert listens.before(AS_OF).track_key.tolist() == [0]
    assert listens.between(AS_OF, date(2020, 3, 2)).track_key.tolist() == [1, 2]


def test_sources_refuse_a_listen_at_as_of() -> None:
    instant = np.array([epoch_seconds(AS_OF)])
    late = Listens(np.zeros(1, np.int32), np.zeros(1, np.int32), instant, np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="at or after as_of 2020-03-01"):
        fit_sources(late, AS_OF, CONFIG)


def test_sources_refuse_an_empty_history() -> None:
    with pytest.raises(ValueError, match="no listens before 2020-03-01"):
        fit_sources(world().before(date(1990, 1, 1)), AS_OF, CONFIG)


def test_codes_are_positions_in_the_sorted_keys_however_many_are_looked_up_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assets.candidates.history._BLOCK", 7)
    listens = world(shift=40)
    history = History(listens, AS_OF)
    for keys, codes, given in (
        (history.users, history.user_code, listens.user_key),
        (history.tracks, history.track_code, listens.track_key),
        (history.sessions, history.session_code, listens.session_key),
    ):
        assert keys.tolist() == sorted(set(given.tolist()))
        assert keys[codes].tolist() == given.tolist()


def test_user_codes_mark_users_without_history() -> None:
    history = History(world(shift=5), AS_OF)
    assert history.user_codes(np.array([5, 19, 4, 20, 10_000])).tolist() == [0, 14, -1, -1, -1]


@pytest.mark.parametrize("width", [3, 40, 997])
@pytest.mark.parametrize("k", [1, 10, 200])
def test_top_k_agrees_with_sorting_everything(width: int, k: int) -> None:
    scores = np.random.default_rng(width + k).integers(0, 50, (9, width)).astype(np.float32)
    scores[scores < 20] = ABSENT
    row, column = top_k(scores, k)
    for line in range(9):
        expected = [c for c in np.argsort(-scores[line], kind="stable") if scores[line, c] > ABSENT][:k]
        assert column[row == line].tolist() == expected


def test_ranks_within_groups_start_at_one_and_give_ties_to_the_first() -> None:
    group, score = np.array([4, 4, 4, 9, 9]), np.array([1, 3, 3, -2, 8], dtype=np.float32)
    assert ranks_within(group, score).tolist() == [3, 1, 2, 2, 1]


def test_best_within_a_group_is_unknown_when_nothing_is_positive() -> None:
    best = best_within(np.array([1, 1, 2]), np.array([0.5, 2.0, -1.0], dtype=np.float32))
    assert best[:2].tolist() == [2.0, 2.0]
    assert np.isnan(best[2])


def test_the_pool_is_the_union_of_the_best_of_every_source(sources: Sources) -> None:
    small = fit_sources(world(), AS_OF, replace(CONFIG, sizes={"own_tracks": 5, "als": 4, "popular": 3}))
    users = sources.history.users
    pool = small.candidates(users, Slate.FOR_YOU)
    expected = pd.concat(
        [
            small.lists(name, users, Slate.FOR_YOU, size)
            for name, size in (("own_tracks", 5), ("als", 4), ("popular", 3))
        ]
    )
    assert set(zip(pool["user_key"], pool["track_key"], strict=True)) == set(
        zip(expected["user_key"], expected["track_key"], strict=True)
    )
    assert not pool.duplicated(["user_key", "track_key"]).any()


def test_pool_scores_and_ranks_are_those_of_the_source_or_absent(sources: Sources) -> None:
    users = sources.history.users
    pool = sources.candidates(users, Slate.FOR_YOU)
    for name in sources.pooled:
        listed = sources.lists(name, users, Slate.FOR_YOU, 50)
        joined = listed.merge(pool, on=["user_key", "track_key"])
        assert len(joined) == len(listed)
        assert (joined[f"score_{name}"] == joined["score"]).all()
        assert (joined[f"rank_{name}"] == joined["rank"]).all()
        absent = pool[f"score_{name}"].isna()
        assert (pool[f"rank_{name}"].isna() == absent).all()
    assert pool["score_own_tracks"].isna().any()
    assert pool["share_popular"].groupby(pool["user_key"]).max().eq(1.0).all()


def test_a_pool_without_heard_tracks_holds_none_and_owns_none(sources: Sources) -> None:
    pool = sources.candidates(sources.history.users, Slate.DISCOVER)
    heard = sources.history.heard
    codes = sources.history.user_codes(pool["user_key"].to_numpy())
    tracks = np.searchsorted(sources.history.tracks, pool["track_key"])
    assert len(pool)
    assert np.asarray(heard[codes, tracks]).sum() == 0
    assert pool["score_own_tracks"].isna().all()


def test_an_unknown_user_gets_the_popular_pool_in_the_place_asked_for(sources: Sources) -> None:
    known = int(sources.history.users[2])
    pool = sources.candidates(np.array([999, known]), Slate.FOR_YOU)
    assert pool["user_key"].drop_duplicates().tolist() == [999, known]
    stranger = pool[pool["user_key"] == 999]
    assert len(stranger) == 50
    assert stranger["score_als"].isna().all()


def together_with(before: Listens, theirs: Listens) -> Listens:
    columns = ("user_key", "track_key", "listened_at", "session_key")
    return Listens(*(np.concatenate([getattr(before, name), getattr(theirs, name)]) for name in columns))


@pytest.mark.parametrize("heard", [1, 2, 5])
def test_a_user_of_few_listens_is_offered_what_follows_from_them(heard: int) -> None:
    before, newcomer = world(), 77
    popular_first = np.bincount(before.track_key).argsort()[::-1]
    tracks = popular_first[3 : 3 + heard].astype(np.int32)
    instant = np.full(heard, epoch_seconds(AS_OF) - 3600)
    theirs = Listens(np.full(heard, newcomer, np.int32), tracks, instant, np.full(heard, 10_000))
    both = together_with(before, theirs)
    known = fit_sources(both, AS_OF, CONFIG).candidates(np.array([newcomer]), Slate.DISCOVER)
    stranger = fit_sources(before, AS_OF, CONFIG).candidates(np.array([newcomer]), Slate.DISCOVER)
    assert not set(known["track_key"]) & set(tracks.tolist())
    assert known["score_als"].notna().sum() > 10
    together = known.loc[known["score_session_cooccurrence"].notna(), "track_key"]
    assert len(together) > 5
    assert set(known["track_key"]) - set(stranger["track_key"]), "popular is all that a stranger is offered"


def test_a_track_of_two_listens_is_offered_to_who_plays_what_it_was_played_with() -> None:
    before, new = world(), 900
    session = before.session_key[0]
    late = np.full(2, epoch_seconds(AS_OF) - 3600)
    theirs = Listens(before.user_key[:1].repeat(2), np.full(2, new, np.int32), late, np.array([session, session]))
    both = together_with(before, theirs)
    others = np.setdiff1d(np.unique(before.user_key), before.user_key[:1]).astype(np.int32)
    pool = fit_sources(both, AS_OF, CONFIG).candidates(others, Slate.DISCOVER)
    assert (pool["track_key"] == new).any()


def test_the_pool_does_not_depend_on_how_users_are_batched(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sources.candidates(sources.history.users, Slate.DISCOVER)
    # Two users a block; BLAS may round the last bits of a product of another shape differently.
    monkeypatch.setattr("assets.candidates.pool._BLOCK_BYTES", 4 * len(sources.history.tracks) * 2)
    pd.testing.assert_frame_equal(sources.candidates(sources.history.users, Slate.DISCOVER), whole, rtol=1e-4)


def test_no_users_give_an_empty_pool_with_all_columns(sources: Sources) -> None:
    pool = sources.candidates(np.array([], dtype=np.int32), Slate.FOR_YOU)
    assert pool.empty
    assert list(pool) == list(sources.candidates(sources.history.users[:1], Slate.FOR_YOU))


def test_keys_handed_out_later_do_not_change_what_is_learnt(sources: Sources) -> None:
    moved = fit_sources(world(shift=1000), AS_OF, CONFIG)
    pool = moved.candidates(moved.history.users, Slate.FOR_YOU)
    pool[["user_key", "track_key"]] -= 1000
    pd.testing.assert_frame_equal(pool, sources.candidates(sources.history.users, Slate.FOR_YOU))
