"""Which heard track a candidate is offered for: known answers on tiny histories, and the definition spelt out."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.candidates.anchors import ANCHOR_COLUMNS, NO_ANCHOR, STRENGTH_COLUMNS, Anchors
from assets.candidates.history import History
from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.candidates.session_cooccurrence import SessionCooccurrence, SessionCooccurrenceConfig
from assets.features.join import FeatureFrames, join_features
from assets.listens import SECONDS_PER_DAY, Listens, epoch_seconds
from assets.slates import Slate

AS_OF = date(2020, 3, 1)


def catalogue_of(artists: dict[int, int], titles: dict[int, str] | None = None) -> pd.DataFrame:
    """Artists and titles by track key; what is not named has none."""
    titles = titles or {}
    rows = [(key, artists.get(key), titles.get(key)) for key in sorted({*artists, *titles})]
    return pd.DataFrame(rows, columns=["track_key", "artist_key", "title"]).astype({"artist_key": "Int64"})


NOTHING_KNOWN = catalogue_of({})


def listens_of(rows: list[tuple[int, int, float, int]]) -> Listens:
    """Listens from (user_key, track_key, age in days, session_key)."""
    frame = pd.DataFrame(rows, columns=["user_key", "track_key", "age", "session_key"])
    frame["listened_at"] = (epoch_seconds(AS_OF) - frame["age"] * SECONDS_PER_DAY).astype(np.int64)
    return Listens.from_frame(frame)


def found_of(
    rows: list[tuple[int, int, float, int]], wanted: list[tuple[int, int]], catalogue: pd.DataFrame = NOTHING_KNOWN
) -> pd.DataFrame:
    """Candidates (user_key, track_key) with their anchors after these listens."""
    history = History(listens_of(rows), AS_OF)
    config = SessionCooccurrenceConfig(play_decay_days=10.0, session_decay_days=1e12, shrinkage=1.0)
    pool = pd.DataFrame(wanted, columns=["user_key", "track_key"], dtype=np.int32)
    return Anchors(history, SessionCooccurrence(history, config), catalogue).add_to(pool)


def anchors_of(
    rows: list[tuple[int, int, float, int]], wanted: list[tuple[int, int]], catalogue: pd.DataFrame = NOTHING_KNOWN
) -> list[int]:
    """The strongest anchor of each candidate."""
    return found_of(rows, wanted, catalogue)["anchor_1"].tolist()


# Users 8 and 9 hear 20 with 50 twice, and 10 with 50 once, as often as 10 with 60.
TOGETHER = [
    *((8, track, 1.0, 80) for track in (20, 50)),
    *((9, track, 1.0, 90) for track in (20, 50)),
    *((9, track, 1.0, 91) for track in (10, 50)),
    *((9, track, 1.0, 92) for track in (10, 60)),
]


def test_the_anchor_is_the_heard_track_that_is_likeliest_to_come_with_the_candidate() -> None:
    own = [(1, 10, 5.0, 1), (1, 20, 5.0, 2), (1, 30, 5.0, 3)]
    assert anchors_of(TOGETHER + own, [(1, 50), (1, 60)]) == [20, 10]


def test_what_the_user_plays_much_of_or_lately_counts_more() -> None:
    often = [(1, 10, 5.0, session) for session in range(4)] + [(1, 20, 5.0, 5)]
    assert anchors_of(TOGETHER + often, [(1, 50)]) == [10]
    lately = [(1, 10, 0.5, 1), (1, 20, 40.0, 2)]
    assert anchors_of(TOGETHER + lately, [(1, 50)]) == [10]


def test_of_equals_the_lower_track_key_is_the_anchor() -> None:
    alike = [(8, 40, 1.0, 80), (8, 20, 1.0, 80), (8, 50, 1.0, 80), (1, 40, 5.0, 1), (1, 20, 5.0, 2)]
    assert anchors_of(alike, [(1, 50)]) == [20]


def test_a_track_that_the_user_knows_is_explained_by_another_and_never_by_itself() -> None:
    own = [(1, 50, 1.0, 1), (1, 50, 1.0, 2), (1, 20, 5.0, 3)]
    assert anchors_of(TOGETHER + own, [(1, 50), (1, 20)]) == [20, 50]
    assert anchors_of([(1, 50, 1.0, 1), (1, 50, 2.0, 2)], [(1, 50)], catalogue_of({50: 7})) == [NO_ANCHOR]


def test_without_a_common_session_the_most_heard_track_of_the_artist_is_the_anchor() -> None:
    apart = [(1, 10, 1.0, 1), (1, 20, 90.0, 2), (1, 20, 91.0, 3), (1, 30, 1.0, 4), (1, 30, 2.0, 5), (1, 30, 3.0, 6)]
    others = [(2, 50, 1.0, 20), (2, 60, 1.0, 21), (2, 70, 1.0, 22)]
    artists = catalogue_of({10: 7, 20: 7, 50: 7, 30: 8, 60: 9})
    # 60 is by somebody else, the artist of 70 is not known; 20 is explained by the second of its artist's.
    wanted = [(1, 20), (1, 50), (1, 60), (1, 70), (2, 50)]
    assert anchors_of(apart + others, wanted, artists) == [10, 20, NO_ANCHOR, NO_ANCHOR, NO_ANCHOR]


def test_the_artist_of_another_users_track_and_of_no_track_is_not_a_reason() -> None:
    rows = [(0, 10, 1.0, 1), (3, 30, 1.0, 2), (5, 10, 1.0, 3), (6, 50, 1.0, 4)]
    assert anchors_of(rows, [(3, 50), (5, 50)], catalogue_of({10: 7, 50: 7})) == [NO_ANCHOR, 10]


def test_a_user_without_history_has_no_anchors() -> None:
    own = [(1, 20, 5.0, 2)]
    assert anchors_of(TOGETHER + own, [(404, 50), (1, 50)], catalogue_of({20: 7, 50: 7})) == [NO_ANCHOR, 20]
    assert anchors_of(TOGETHER, []) == []


def test_the_three_strongest_are_kept_with_their_share_of_the_first_and_of_equals_the_lower_tracks() -> None:
    # 50 comes with 10 in the one session of 10, with 20 in one of two, with 30, 40 and 45 in one of three.
    together = [(9, track, 1.0, 90) for track in (10, 20, 30, 40, 45, 50)]
    apart = [(9, 20, 1.0, 91)] + [
        (9, track, 1.0, session) for track in (30, 40, 45) for session in (track, track + 100)
    ]
    own = [(1, track, 5.0, track + 200) for track in (45, 40, 30, 20, 10)]
    history = History(listens_of(together + apart + own), AS_OF)
    likely = SessionCooccurrence(history, SessionCooccurrenceConfig(session_decay_days=1e12, shrinkage=1.0)).neighbours
    of_50 = dict(zip(history.tracks.tolist(), likely.toarray()[:, -1].tolist(), strict=True))
    assert of_50[10] > of_50[20] > of_50[30] == of_50[40] == of_50[45]
    found = found_of(together + apart + own, [(1, 50)]).iloc[0]
    assert found[list(ANCHOR_COLUMNS)].tolist() == [10, 20, 30]
    expected = [1, of_50[20] / of_50[10], of_50[30] / of_50[10]]
    np.testing.assert_allclose(found[list(STRENGTH_COLUMNS)].tolist(), expected, rtol=1e-3)


def test_what_is_missing_to_three_is_not_an_anchor_without_strength() -> None:
    found = found_of([*TOGETHER, (1, 20, 5.0, 2)], [(1, 50), (1, 60)])
    assert found[list(ANCHOR_COLUMNS)].to_numpy().tolist() == [[20, NO_ANCHOR, NO_ANCHOR], [NO_ANCHOR] * 3]
    assert found[list(STRENGTH_COLUMNS)].to_numpy().tolist() == [[1, 0, 0], [0, 0, 0]]
    assert set(found[list(ANCHOR_COLUMNS)].dtypes) == {np.dtype(np.int32)}
    assert set(found[list(STRENGTH_COLUMNS)].dtypes) == {np.dtype(np.float16)}


def test_a_namesake_is_a_anchor_only_where_there_is_no_other() -> None:
    titles = catalogue_of({20: 7, 50: 8}, {20: "Hallelujah", 50: "hallelujah (Live at Sin-e)", 10: "Grace"})
    both = [(1, 20, 5.0, 2), (1, 10, 5.0, 3)]
    assert found_of(TOGETHER + both, [(1, 50)], titles)[list(ANCHOR_COLUMNS)].to_numpy().tolist() == [[10, -1, -1]]
    alone = found_of(TOGETHER + both[:1], [(1, 50)], titles)
    assert alone[[*ANCHOR_COLUMNS, *STRENGTH_COLUMNS]].to_numpy().tolist() == [[20, -1, -1, 1, 0, 0]]
    # Another track of the candidate's artist is one that is there.
    by_artist = [*both[:1], (1, 70, 40.0, 4)]
    assert anchors_of(TOGETHER + by_artist, [(1, 50)], catalogue_of({70: 8, 50: 8}, {20: "Song", 50: "Song"})) == [70]


def test_of_an_artists_tracks_the_most_heard_are_anchors_and_another_version_comes_last() -> None:
    plays = {10: 3, 20: 4, 30: 3, 40: 1}
    own = [(1, track, 1.0 + nth, track * 10 + nth) for track, count in plays.items() for nth in range(count)]
    titles = {20: "Aria", 50: "Aria (2011 Remaster)"}
    found = found_of([*own, (2, 50, 1.0, 999)], [(1, 50)], catalogue_of(dict.fromkeys([10, 20, 30, 40, 50], 7), titles))
    expected = [10, 30, 40, 1, 1, float(np.float16(1 / 3))]
    assert found[[*ANCHOR_COLUMNS, *STRENGTH_COLUMNS]].to_numpy().tolist() == [expected]
    only = catalogue_of(dict.fromkeys([20, 50], 7), titles)
    assert anchors_of([*own, (2, 50, 1.0, 999)], [(1, 50)], only) == [20]


def random_sources() -> Sources:
    draw = np.random.default_rng(3)
    user, track = draw.integers(0, 15, 600), draw.zipf(1.4, 600) % 80
    session = user * 90 + draw.integers(0, 90, 600)
    rows = zip(user.tolist(), track.tolist(), draw.uniform(0.1, 150, 600).tolist(), session.tolist(), strict=True)
    return fit_sources(listens_of(list(rows)), AS_OF, SourcesConfig(sizes={"own_tracks": 20, "popular": 50}))


@pytest.mark.parametrize("threads", ["1", "2", "9"])
def test_anchors_are_those_of_the_definition_however_many_threads_find_them(
    threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_THREADS", threads)
    sources = random_sources()
    history, cooccurrence = sources.history, sources.fitted(SessionCooccurrence)
    artists = {int(key): int(key) % 4 for key in history.tracks if key % 5}
    titles = {int(key): f"title {key % 3}" for key in history.tracks}
    pool = sources.candidates(np.array([3, 404, 0, 14, 7], dtype=np.int32), Slate.FOR_YOU)
    found = Anchors(history, cooccurrence, catalogue_of(artists, titles)).add_to(pool)
    plays, listens, likely = (each.toarray() for each in (cooccurrence.plays, history.plays(), cooccurrence.neighbours))
    names = np.array([titles[int(key)] for key in history.tracks])
    ways = {"session": 0, "artist": 0, "namesake": 0, "nothing": 0}
    for user_key, track_key, *anchors in found[
        ["user_key", "track_key", *ANCHOR_COLUMNS, *STRENGTH_COLUMNS]
    ].to_numpy():
        code, track = history.user_codes(np.array([user_key]))[0], np.searchsorted(history.tracks, track_key)
        same = np.array([key in artists and artists.get(int(track_key)) == artists[key] for key in history.tracks])
        sizes = {"session": plays[code] * likely[:, track], "artist": np.where(same, listens[code], 0)}
        other, itself = names != names[track], history.tracks == track_key
        ranked = [(way, np.where(other, size, 0)) for way, size in sizes.items()]
        ranked += [("namesake", np.where(other | itself, 0, size)) for size in sizes.values()]
        way, size = next(
            ((way, size) for way, size in ranked if size.max() > 0 and code >= 0), ("nothing", other * 0.0)
        )
        ways[way] += 1
        best = [at for at in np.argsort(-size, kind="stable")[: 1 if way == "namesake" else 3] if size[at] > 0]
        expected = [*history.tracks[best], *[NO_ANCHOR] * (3 - len(best))]
        assert anchors[:3] == expected, (user_key, track_key)
        strengths = [*(size[best] / max(size.max(), 1e-9)), *[0] * (3 - len(best))]
        np.testing.assert_allclose(anchors[3:], strengths, rtol=1e-3)
    assert min(ways.values()) > 2, ways


def test_every_part_of_a_co_occurrence_score_has_a_anchor() -> None:
    sources = random_sources()
    users = sources.history.users.astype(np.int32)
    scored = sources.lists(SessionCooccurrence.name, users, Slate.DISCOVER, 100)
    found = Anchors(sources.history, sources.fitted(SessionCooccurrence), NOTHING_KNOWN).add_to(scored)
    assert len(found) > 100
    assert (found["anchor_1"] != NO_ANCHOR).all()


def test_anchors_are_not_features() -> None:
    sources = random_sources()
    pool = sources.candidates(np.array([3], dtype=np.int32), Slate.FOR_YOU)
    found = Anchors(sources.history, sources.fitted(SessionCooccurrence), NOTHING_KNOWN).add_to(pool)
    nothing = FeatureFrames(
        *(pd.DataFrame({"track_key": [], "artist_key": []}) for _ in FeatureFrames.__dataclass_fields__)
    )
    assert join_features(found, nothing).names == join_features(pool, nothing).names
