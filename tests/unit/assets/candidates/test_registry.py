"""What every candidate source holds to, over the registry; and that the registry has every source."""

import pkgutil
from collections.abc import Callable
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

import assets.candidates
from assets.candidates.als import AlsConfig
from assets.candidates.country_popular import CountryPopularConfig
from assets.candidates.ease import EaseConfig
from assets.candidates.history import History
from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.candidates.registry import POOL_SIZES, SOURCES, needed_facts, sources_off
from assets.candidates.source import ABSENT, CandidateSource
from assets.evaluation.baselines import reported
from assets.slates import Slate
from tests.unit.assets.candidates.small_listens import (
    AS_OF,
    EVERYTHING,
    UNKNOWN_USER,
    checkerboard,
    listens_of,
    lists_of,
    pairs_heard,
    random_listens,
)
from warehouse.errors import AudoticsError

# Where the default is made for more listens than these.
CONFIGS = {
    "als": AlsConfig(factors=8, regularization=1.0),
    "ease": EaseConfig(regularization=5.0),
    "country_popular": CountryPopularConfig(window_days=300.0, least_listeners=1),
}
Fit = Callable[[History], CandidateSource]


def test_every_source_that_is_written_is_in_the_registry() -> None:
    written = set()
    for module in pkgutil.iter_modules(assets.candidates.__path__, "assets.candidates."):
        for kind in vars(import_module(module.name)).values():
            if isinstance(kind, type) and kind.__module__ == module.name and hasattr(kind, "scores"):
                written.add(kind)
    assert written - {CandidateSource} == {entry.kind for entry in SOURCES.values()}


def fitted_by(names: list[str]) -> set[str]:
    """The sources that are fitted when these are asked for scores."""
    fitted = set()
    source = Sources.source

    def noted(self: Sources, name: str) -> CandidateSource:
        fitted.add(name)
        return source(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sources, "source", noted)
        _ask_for_lists(names)
    return fitted


def _ask_for_lists(names: list[str]) -> None:
    sources = fit_sources(random_listens(), AS_OF, SourcesConfig(configs=CONFIGS), EVERYTHING)
    sources.candidates(sources.history.users, Slate.FOR_YOU)
    for name in names:
        sources.lists(name, sources.history.users, Slate.FOR_YOU, 10)


def test_what_is_off_is_fitted_only_when_it_is_asked_for() -> None:
    off = {name for name, entry in SOURCES.items() if entry.is_off}
    assert off and fitted_by([]) == set(POOL_SIZES)
    assert fitted_by(reported(POOL_SIZES)) == SOURCES.keys() - off
    assert needed_facts(reported(POOL_SIZES)) == {"artists"}
    asked = sources_off(["transitions"])
    assert fitted_by(reported(POOL_SIZES, asked)) == (SOURCES.keys() - off) | {"transitions"}
    assert set(sources_off(["all"])) == off
    with pytest.raises(AudoticsError, match="no source that is off is called als; those that are: transitions"):
        sources_off(["als"])


@pytest.fixture(params=list(SOURCES))
def fit(request: pytest.FixtureRequest) -> Fit:
    entry = SOURCES[request.param]
    return lambda history: entry.fit(history, EVERYTHING, CONFIGS.get(entry.name) or entry.config())


@pytest.fixture
def history() -> History:
    return History(random_listens(), AS_OF)


@pytest.fixture
def source(fit: Fit, history: History) -> CandidateSource:
    return fit(history)


def test_scores_have_a_row_per_user_and_a_column_per_track(source: CandidateSource, history: History) -> None:
    scores = source.scores(np.array([0, 3, -1]))
    assert scores.shape == (3, len(history.tracks))
    assert scores.dtype == np.float32
    assert not np.isnan(scores).any()


def test_what_a_caller_does_to_the_scores_does_not_reach_the_source(source: CandidateSource) -> None:
    before = source.scores(np.array([0, 1]))
    source.scores(np.array([0, 1]))[:] = ABSENT
    assert np.array_equal(source.scores(np.array([0, 1])), before)


def test_lists_of_discoveries_hold_nothing_heard(source: CandidateSource, history: History) -> None:
    listed = lists_of(source, history, history.users.tolist(), slate=Slate.DISCOVER, k=100)
    heard = set(zip(*(part.tolist() for part in pairs_heard(history)), strict=True))
    assert heard.isdisjoint(zip(listed["user_key"], listed["track_key"], strict=True))


def test_lists_to_rediscover_hold_only_what_was_heard_over_60_days_ago(
    source: CandidateSource, history: History
) -> None:
    listed = lists_of(source, history, history.users.tolist(), slate=Slate.REDISCOVER, k=100)
    offered = lists_of(source, history, history.users.tolist(), slate=Slate.FOR_YOU, k=1000)
    heard = pd.DataFrame(
        {
            "user_key": history.users[history.user_code],
            "track_key": history.tracks[history.track_code],
            "age": history.age_days,
        }
    )
    latest = heard.groupby(["user_key", "track_key"], as_index=False)["age"].min()
    forgotten = offered.merge(latest[latest["age"] > 60])
    assert len(forgotten) > 10
    pd.testing.assert_frame_equal(
        listed[["user_key", "track_key", "score"]], forgotten[["user_key", "track_key", "score"]]
    )


def test_lists_are_sorted_by_score_with_ranks_from_one_and_no_track_twice(
    source: CandidateSource, history: History
) -> None:
    listed = lists_of(source, history, history.users.tolist(), slate=Slate.FOR_YOU, k=7)
    assert not listed.duplicated(["user_key", "track_key"]).any()
    assert set(listed["user_key"]) == set(history.users.tolist())
    for _, one in listed.groupby("user_key"):
        assert one["rank"].tolist() == list(range(1, len(one) + 1))
        assert len(one) <= 7
        assert (one["score"].diff().dropna() <= 0).all()


def test_the_same_history_and_config_give_the_same_scores(source: CandidateSource, history: History, fit: Fit) -> None:
    users = np.arange(len(history.users))
    assert np.array_equal(source.scores(users), fit(history).scores(users))


def test_scores_of_a_user_do_not_depend_on_who_else_is_asked_for(source: CandidateSource, history: History) -> None:
    together = source.scores(np.arange(len(history.users)))
    alone = source.scores(np.array([4]))
    # BLAS may block a product of another shape differently, in the last bits only.
    np.testing.assert_allclose(together[4], alone[0], rtol=1e-5, atol=1e-6)


def test_an_unknown_user_is_offered_nothing_or_what_is_popular(source: CandidateSource, history: History) -> None:
    listed = lists_of(source, history, [UNKNOWN_USER], slate=Slate.FOR_YOU)
    if source.name in ("popular", "trending"):
        popular = lists_of(source, history, [int(history.users[0])], slate=Slate.FOR_YOU)
        assert listed["track_key"].tolist() == popular["track_key"].tolist()
    else:
        assert listed.empty


def test_who_last_listened_twenty_years_ago_is_offered_something_like_who_did_this_month(
    history: History, fit: Fit
) -> None:
    gone = history.users[::2].tolist()
    offered = []
    for age in (25.0, 20 * 365.25):
        pairs = zip(*(part.tolist() for part in pairs_heard(history)), strict=True)
        rows = [(user, track, age if user in gone else 3.0, user) for user, track in pairs]
        aged = History(listens_of(rows), AS_OF)
        offered.append(set(lists_of(fit(aged), aged, gone, slate=Slate.FOR_YOU)["user_key"]))
    assert offered == [set(gone), set(gone)]


def test_no_users_give_an_empty_list(source: CandidateSource, history: History) -> None:
    assert lists_of(source, history, [], slate=Slate.FOR_YOU).empty


@pytest.mark.parametrize("fit", ["item_neighbours", "user_neighbours", "ease"], indirect=True)
def test_a_checkerboard_user_is_offered_the_missing_track_of_its_colour(fit: Fit) -> None:
    history = History(checkerboard(), AS_OF)
    listed = lists_of(fit(history), history, list(range(20)), slate=Slate.DISCOVER, k=1)
    assert listed["track_key"].tolist() == listed["user_key"].tolist() == list(range(20))
