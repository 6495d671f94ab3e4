"""Sources that know of artists, tags and countries, or of what is new: known answers on a few listens."""

import numpy as np
import pytest

from assets.candidates.als import AlsConfig
from assets.candidates.artist_tracks import ArtistTracksConfig, LovedArtists, SimilarArtists
from assets.candidates.country_popular import CountryPopular, CountryPopularConfig
from assets.candidates.history import History
from assets.candidates.liked_tags import LikedTags, LikedTagsConfig
from assets.candidates.pool import SourcesConfig, fit_sources
from assets.candidates.registry import SOURCES
from assets.candidates.source import ABSENT
from assets.candidates.transitions import Transitions, TransitionsConfig
from assets.candidates.trending import Trending, TrendingConfig
from assets.catalogue import NOTHING_KNOWN, Catalogue, Links, memberships
from assets.slates import Slate
from tests.unit.assets.candidates.small_listens import (
    AS_OF,
    EVERYTHING,
    listens_of,
    lists_of,
    random_listens,
)

FOREVER = 1e12
NEEDED_BY = {name: entry.needs for name, entry in SOURCES.items() if entry.needs is not None}


def test_memberships_are_numbered_over_the_keys_there_are() -> None:
    links = Links.of([(7, 40), (2, 90), (5, 60), (7, 60), (9, 10)])
    key, group, groups = memberships(links, np.array([2, 5, 6, 7]))
    assert list(zip(key.tolist(), group.tolist(), strict=True)) == [(0, 2), (1, 1), (3, 0), (3, 1)]
    assert groups == 3


def test_without_a_catalogue_its_sources_offer_nothing() -> None:
    names = tuple(NEEDED_BY)
    config = SourcesConfig(configs={"als": AlsConfig(factors=4)}, sizes={"popular": 5, **dict.fromkeys(names, 50)})
    sources = fit_sources(random_listens(), AS_OF, config, NOTHING_KNOWN)
    pool = sources.candidates(sources.history.users, Slate.FOR_YOU)
    assert len(pool) == 5 * len(sources.history.users)
    for name in names:
        assert pool[f"score_{name}"].isna().all(), name


def test_a_source_without_what_it_needs_of_the_catalogue_is_told_from_one_with_it() -> None:
    config = SourcesConfig(configs={"als": AlsConfig(factors=4)}, sizes={"popular": 5, **dict.fromkeys(NEEDED_BY, 50)})
    listens = random_listens()
    for name, needed in NEEDED_BY.items():
        catalogue = Catalogue(**{needed: getattr(EVERYTHING, needed)})
        sources = fit_sources(listens, AS_OF, config, catalogue)
        assert len(sources.lists(name, sources.history.users, Slate.FOR_YOU, 5)), name


class TestTransitions:
    def test_the_score_is_decayed_plays_times_the_shrunk_share_of_what_came_next(self) -> None:
        # User 1 plays 4, 5, 6 in one session and 4, 6 in another; user 0 played 4 thirty days ago.
        rows = [(0, 4, 30.0, 10), (1, 4, 2.0, 11), (1, 5, 1.9, 11), (1, 6, 1.8, 11), (1, 4, 1.0, 12), (1, 6, 0.9, 12)]
        config = TransitionsConfig(play_decay_days=30.0, session_decay_days=FOREVER, reach=2, shrinkage=1.0)
        scores = Transitions(History(listens_of(rows), AS_OF), config).scores(np.array([0]))[0]
        # After 4: 5 next once; 6 next once and after next once, which counts half.
        assert scores == pytest.approx([ABSENT, np.exp(-1) * 1 / 3.5, np.exp(-1) * 1.5 / 3.5], rel=1e-5)

    def test_the_order_counts_and_the_end_of_a_session_is_an_end(self) -> None:
        rows = [(0, 5, 1.0, 10), (1, 4, 2.0, 11), (1, 5, 1.9, 11), (1, 6, 1.0, 12)]
        history = History(listens_of(rows), AS_OF)
        listed = lists_of(Transitions(history, TransitionsConfig()), history, [0, 1], Slate.FOR_YOU)
        assert list(zip(listed["user_key"], listed["track_key"], strict=True)) == [(1, 5)]


class TestLovedArtists:
    def test_the_score_is_the_plays_of_the_artist_times_the_share_of_the_track(self) -> None:
        rows = [(0, 1, 90.0, 0), (0, 2, 90.0, 1), (1, 2, 5.0, 2), (1, 3, 5.0, 3), (1, 4, 5.0, 4), (1, 5, 5.0, 5)]
        catalogue = Catalogue(artists=Links.of([(1, 70), (2, 70), (3, 70), (4, 80)]))
        config = ArtistTracksConfig(play_decay_days=90.0, popularity_decay_days=FOREVER)
        scores = LovedArtists(History(listens_of(rows), AS_OF), catalogue, config).scores(np.array([0]))[0]
        # Artist 70 has four plays; nobody knows the artist of track 5.
        love = 2 * np.exp(-1)
        assert scores == pytest.approx([love / 4, love / 2, love / 4, ABSENT, ABSENT], rel=1e-5)


class TestSimilarArtists:
    def test_what_shares_sessions_with_a_loved_artist_is_offered_by_its_share(self) -> None:
        rows = [(0, 1, 1e-6, 0), (1, 1, 1.0, 1), (1, 2, 1.0, 1), (2, 3, 1.0, 2), (2, 3, 0.9, 2), (3, 4, 1.0, 3)]
        catalogue = Catalogue(artists=Links.of([(1, 70), (2, 80), (3, 80), (4, 90)]))
        config = ArtistTracksConfig(
            popularity_decay_days=FOREVER, session_decay_days=FOREVER, shrinkage=2.0, play_decay_days=FOREVER
        )
        scores = SimilarArtists(History(listens_of(rows), AS_OF), catalogue, config).scores(np.array([0]))[0]
        # Artist 70 is alone in a session (weight 1) and with 80 in one of two artists (1/sqrt 2).
        alike = np.sqrt(0.5) / (1 + np.sqrt(0.5) + 2.0)
        assert scores == pytest.approx([ABSENT, alike / 3, alike * 2 / 3, ABSENT], rel=1e-5)


class TestLikedTags:
    def test_what_carries_a_rare_liked_tag_and_is_played_comes_first(self) -> None:
        rows = [(0, 1, 1.0, 0), (1, 2, 1.0, 1), (1, 2, 0.9, 1), (1, 3, 1.0, 1), (1, 4, 1.0, 1), (1, 5, 1.0, 1)]
        tags = [(1, 50), (2, 50), (3, 50), (1, 60), (4, 60), (2, 70)]
        history = History(listens_of(rows), AS_OF)
        config = LikedTagsConfig(play_decay_days=FOREVER, popularity_decay_days=FOREVER)
        scores = LikedTags(history, Catalogue(tags=Links.of(tags)), config).scores(np.array([0]))[0]
        common, rare, single = np.log1p(5 / 3), np.log1p(5 / 2), np.log1p(5)
        length = np.hypot(common, rare)
        expected = [
            np.log(2),
            common / length * common / np.hypot(common, single) * np.log(3),
            common / length * np.log(2),
            rare / length * np.log(2),
            ABSENT,
        ]
        assert scores == pytest.approx(expected, rel=1e-5)


class TestTrending:
    def test_the_week_is_held_against_the_month_with_few_listeners_held_back(self) -> None:
        rows = [(u, 1, 6.0, u) for u in range(20)]
        rows += [(u, 2, age, u) for u in range(20) for age in (6.0, 20.0)] + [(u, 2, 25.0, u) for u in range(20, 60)]
        rows += [(0, 3, 1.0, 0), (1, 4, 8.0, 1), (0, 3, 0.5, 0)]
        history = History(listens_of(rows), AS_OF)
        source = Trending(history, TrendingConfig(week_days=7.0, month_days=28.0, smoothing=5.0))
        # Track 2 has as many listeners each week as this one, and track 4 none this week.
        expected = [25 / 10, 25 / 20, 6 / 5.25, ABSENT]
        assert source.scores(np.array([0, -1])) == pytest.approx(np.array([expected, expected]), rel=1e-6)


class TestCountryPopular:
    def test_people_of_the_same_country_count_once_each_and_only_lately(self) -> None:
        rows = [(0, 1, 40.0, 0), (1, 1, 3.0, 1), (1, 1, 2.0, 1), (2, 1, 3.0, 2), (2, 2, 3.0, 2), (1, 2, 45.0, 3)]
        rows += [(3, 3, 3.0, 4), (4, 2, 1.0, 5)]
        history = History(listens_of(rows), AS_OF)
        countries = Catalogue(countries=Links.of([(0, 5), (1, 5), (2, 5), (3, 8), (77, 8)]))
        every = CountryPopular(history, countries, CountryPopularConfig(window_days=30.0, least_listeners=1))
        nothing = [ABSENT] * 3
        # The country of user 4 is unknown.
        expected = [[2, 1, ABSENT], [ABSENT, ABSENT, 1], nothing, nothing]
        assert every.scores(np.array([0, 3, 4, -1])).tolist() == expected
        few = CountryPopular(history, countries, CountryPopularConfig(window_days=30.0, least_listeners=2))
        assert few.scores(np.array([0])).tolist() == [[2, ABSENT, ABSENT]]
