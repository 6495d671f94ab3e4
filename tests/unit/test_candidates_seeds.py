"""Which heard track a candidate is offered for: known answers on tiny histories, and the definition spelt out."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.candidates.history import SECONDS_PER_DAY, History, Listens, epoch_seconds
from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.candidates.seeds import NO_SEED, Seeds
from assets.candidates.session_cooccurrence import SessionCooccurrence, SessionCooccurrenceConfig
from assets.ranker.features import FeatureFrames, join_features
from assets.ranker.slates import Slate

AS_OF = date(2020, 3, 1)
NO_ARTISTS = pd.Series([], index=pd.Index([], dtype=np.int32), dtype=np.int32)


def listens_of(rows: list[tuple[int, int, float, int]]) -> Listens:
    """Listens from (user_key, track_key, age in days, session_key)."""
    frame = pd.DataFrame(rows, columns=["user_key", "track_key", "age", "session_key"])
    frame["listened_at"] = (epoch_seconds(AS_OF) - frame["age"] * SECONDS_PER_DAY).astype(np.int64)
    return Listens.from_frame(frame)


def seeds_of(
    rows: list[tuple[int, int, float, int]], wanted: list[tuple[int, int]], artists: pd.Series = NO_ARTISTS
) -> list[int]:
    """Seeds of (user_key, track_key) candidates after these listens."""
    history = History(listens_of(rows), AS_OF)
    config = SessionCooccurrenceConfig(play_decay_days=10.0, session_decay_days=1e12, shrinkage=1.0)
    pool = pd.DataFrame(wanted, columns=["user_key", "track_key"], dtype=np.int32)
    return Seeds(history, SessionCooccurrence(history, config), artists).add_to(pool)["seed_track_key"].tolist()


# Users 8 and 9 hear 20 with 50 twice, and 10 with 50 once, as often as 10 with 60.
TOGETHER = [
    *((8, track, 1.0, 80) for track in (20, 50)),
    *((9, track, 1.0, 90) for track in (20, 50)),
    *((9, track, 1.0, 91) for track in (10, 50)),
    *((9, track, 1.0, 92) for track in (10, 60)),
]


def test_the_seed_is_the_heard_track_that_is_likeliest_to_come_with_the_candidate() -> None:
    own = [(1, 10, 5.0, 1), (1, 20, 5.0, 2), (1, 30, 5.0, 3)]
    assert seeds_of(TOGETHER + own, [(1, 50), (1, 60)]) == [20, 10]


def test_what_the_user_plays_much_of_or_lately_counts_more() -> None:
    often = [(1, 10, 5.0, session) for session in range(4)] + [(1, 20, 5.0, 5)]
    assert seeds_of(TOGETHER + often, [(1, 50)]) == [10]
    lately = [(1, 10, 0.5, 1), (1, 20, 40.0, 2)]
    assert seeds_of(TOGETHER + lately, [(1, 50)]) == [10]


def test_of_equals_the_lower_track_key_is_the_seed() -> None:
    alike = [(8, 40, 1.0, 80), (8, 20, 1.0, 80), (8, 50, 1.0, 80), (1, 40, 5.0, 1), (1, 20, 5.0, 2)]
    assert seeds_of(alike, [(1, 50)]) == [20]


def test_a_track_that_the_user_knows_is_explained_by_another_and_never_by_itself() -> None:
    own = [(1, 50, 1.0, 1), (1, 50, 1.0, 2), (1, 20, 5.0, 3)]
    assert seeds_of(TOGETHER + own, [(1, 50), (1, 20)]) == [20, 50]
    assert seeds_of([(1, 50, 1.0, 1), (1, 50, 2.0, 2)], [(1, 50)], pd.Series({50: 7})) == [NO_SEED]


def test_without_a_common_session_the_most_heard_track_of_the_artist_is_the_seed() -> None:
    apart = [(1, 10, 1.0, 1), (1, 20, 90.0, 2), (1, 20, 91.0, 3), (1, 30, 1.0, 4), (1, 30, 2.0, 5), (1, 30, 3.0, 6)]
    others = [(2, 50, 1.0, 20), (2, 60, 1.0, 21), (2, 70, 1.0, 22)]
    artists = pd.Series({10: 7, 20: 7, 50: 7, 30: 8, 60: 9})
    # 60 is by somebody else, the artist of 70 is not known; 20 is explained by the second of its artist's.
    wanted = [(1, 20), (1, 50), (1, 60), (1, 70), (2, 50)]
    assert seeds_of(apart + others, wanted, artists) == [10, 20, NO_SEED, NO_SEED, NO_SEED]


def test_the_artist_of_another_users_track_and_of_no_track_is_no_reason() -> None:
    rows = [(0, 10, 1.0, 1), (3, 30, 1.0, 2), (5, 10, 1.0, 3), (6, 50, 1.0, 4)]
    assert seeds_of(rows, [(3, 50), (5, 50)], pd.Series({10: 7, 50: 7})) == [NO_SEED, 10]


def test_a_user_without_history_has_no_seeds() -> None:
    own = [(1, 20, 5.0, 2)]
    assert seeds_of(TOGETHER + own, [(404, 50), (1, 50)], pd.Series({20: 7, 50: 7})) == [NO_SEED, 20]
    assert seeds_of(TOGETHER, []) == []


def random_sources() -> Sources:
    draw = np.random.default_rng(3)
    user, track = draw.integers(0, 15, 600), draw.zipf(1.4, 600) % 80
    session = user * 90 + draw.integers(0, 90, 600)
    rows = zip(user.tolist(), track.tolist(), draw.uniform(0.1, 150, 600).tolist(), session.tolist(), strict=True)
    return fit_sources(listens_of(list(rows)), AS_OF, SourcesConfig(sizes={"own_tracks": 20, "popular": 50}))


@pytest.mark.parametrize("threads", [1, 2, 9])
def test_seeds_are_those_of_the_definition_however_many_threads_find_them(threads: int) -> None:
    sources = random_sources()
    history, cooccurrence = sources.history, sources.fitted(SessionCooccurrence)
    artists = pd.Series({int(key): int(key) % 4 for key in history.tracks if key % 5})
    pool = sources.candidates(np.array([3, 404, 0, 14, 7], dtype=np.int32), Slate.FOR_YOU)
    found = Seeds(history, cooccurrence, artists, threads).add_to(pool)
    plays, listens, likely = (each.toarray() for each in (cooccurrence.plays, history.plays(), cooccurrence.neighbours))
    by_session = by_artist = 0
    for user_key, track_key, seed in found[["user_key", "track_key", "seed_track_key"]].itertuples(index=False):
        code, track = history.user_codes(np.array([user_key]))[0], np.searchsorted(history.tracks, track_key)
        expected = NO_SEED
        if code >= 0:
            terms = plays[code] * likely[:, track]
            artist = artists.get(track_key)
            same = [
                -1 if key == track_key or artist is None or artists.get(key) != artist else count
                for key, count in zip(history.tracks.tolist(), listens[code], strict=True)
            ]
            if terms.max() > 0:
                expected, by_session = history.tracks[terms.argmax()], by_session + 1
            elif max(same) > 0:
                expected, by_artist = history.tracks[int(np.argmax(same))], by_artist + 1
        assert seed == expected, (user_key, track_key)
    assert min(by_session, by_artist, (found["seed_track_key"] == NO_SEED).sum()) > 10


def test_every_part_of_a_co_occurrence_score_has_a_seed() -> None:
    sources = random_sources()
    users = sources.history.users.astype(np.int32)
    scored = sources.lists(SessionCooccurrence.name, users, Slate.DISCOVER, 100)
    found = Seeds(sources.history, sources.fitted(SessionCooccurrence), NO_ARTISTS).add_to(scored)
    assert len(found) > 100
    assert (found["seed_track_key"] != NO_SEED).all()
    assert found["seed_track_key"].dtype == np.int32


def test_seeds_are_no_features() -> None:
    sources = random_sources()
    pool = sources.candidates(np.array([3], dtype=np.int32), Slate.FOR_YOU)
    found = Seeds(sources.history, sources.fitted(SessionCooccurrence), NO_ARTISTS).add_to(pool)
    nothing = FeatureFrames(*(pd.DataFrame({"artist_key": []}) for _ in FeatureFrames.__dataclass_fields__))
    assert join_features(found, nothing).names == join_features(pool, nothing).names
