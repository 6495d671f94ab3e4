"""Whether the default sample world holds what recommenders learn from, measured on its listening file."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pytest
from scipy import sparse

from assets.ingest.sample_world import LISTENS_FILE, SampleWorld, generate
from assets.ingest.sample_world.catalogue import Catalogue, build_catalogue

pytestmark = pytest.mark.slow

DAY = 86_400
TIME = re.compile(rb"202[56]-\d\d-\d\dT[0-2]\d:[0-5]\d:\d\dZ")


@dataclass(frozen=True)
class World:
    """The clean listens of a file by user and time; tracks and artists as indices into the catalogue."""

    config: SampleWorld
    catalogue: Catalogue
    user: np.ndarray
    second: np.ndarray  # from the start of the world
    track: np.ndarray

    @property
    def genre(self) -> np.ndarray:
        return self.catalogue.artist_genre[self.artist]

    @property
    def artist(self) -> np.ndarray:
        return self.catalogue.track_artist[self.track]

    @property
    def opens_session(self) -> np.ndarray:
        return (np.diff(self.user, prepend=-1) != 0) | (np.diff(self.second, prepend=0) > 1_800)

    @property
    def first_time(self) -> np.ndarray:
        """True where a user plays a track for the first time."""
        first = np.zeros(len(self.user), dtype=bool)
        first[np.unique(self.user * len(self.catalogue.titles) + self.track, return_index=True)[1]] = True
        return first


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    config = SampleWorld(until=date(2026, 11, 22))
    generate(folder, config)
    catalogue = build_catalogue(config)
    index = {
        (catalogue.artist_names[artist].encode(), title.encode()): track
        for track, (artist, title) in enumerate(zip(catalogue.track_artist.tolist(), catalogue.titles, strict=True))
    }
    start = int(datetime(2025, 11, 22, tzinfo=UTC).timestamp())
    listens = set()
    for line in (folder / LISTENS_FILE).read_bytes().splitlines():
        match line.split(b"\t"):
            case user, time, _, artist, _, title if TIME.fullmatch(time) and (artist, title) in index and user:
                second = int(datetime.fromisoformat(time.decode()).timestamp()) - start
                listens.add((int(user.removeprefix(b"user_")) - 1, second, index[artist, title]))
    user, second, track = np.array(sorted(listens)).T
    return World(config, catalogue, user, second, track)


def test_listens_stay_in_the_period_and_no_user_has_two_in_one_second(world: World) -> None:
    assert len(world.user) == 400_000
    assert world.second.min() >= 0 and world.second.max() < 365 * DAY
    assert len(np.unique(world.user * 365 * DAY + world.second)) == 400_000
    assert len(np.unique(world.user)) == 2_000


def test_few_tracks_and_few_users_make_most_listens(world: World) -> None:
    plays = np.sort(np.bincount(world.track))[::-1]
    ranks = np.arange(10, 3_000)
    slope = np.polyfit(np.log(ranks), np.log(plays[ranks - 1]), 1)[0]
    assert -1.2 < slope < -0.6
    assert 0.12 < plays[:100].sum() / plays.sum() < 0.30
    activity = np.sort(np.bincount(world.user))[::-1]
    assert activity[:200].sum() / activity.sum() > 0.35
    assert activity.max() < 0.02 * activity.sum()


def test_some_users_join_late_and_some_leave(world: World) -> None:
    active = np.bincount(world.user) > 100
    first = np.full(2_000, 365 * DAY)
    last = np.zeros(2_000)
    np.minimum.at(first, world.user, world.second)
    np.maximum.at(last, world.user, world.second)
    assert 0.10 < (first[active] > 60 * DAY).mean() < 0.40
    assert 0.05 < (last[active] < 305 * DAY).mean() < 0.30


def test_sessions_are_parted_by_more_than_half_an_hour_and_tracks_by_minutes(world: World) -> None:
    gap = np.diff(world.second)[np.diff(world.user) == 0]
    inside = gap[gap <= 1_800]
    assert inside.min() >= 120 and inside.max() <= 360
    assert not ((gap > 360) & (gap < 2_400)).any()
    assert 5 < len(world.user) / world.opens_session.sum() < 12


def test_users_listen_at_hours_and_on_weekdays_of_their_own(world: World) -> None:
    often = np.flatnonzero(np.bincount(world.user) > 300)
    mine = np.isin(world.user, often)
    hours = np.zeros((2_000, 24))
    np.add.at(hours, (world.user[mine], world.second[mine] // 3_600 % 24), 1)
    own = hours[often] / hours[often].sum(axis=1, keepdims=True)
    everyone = hours.sum(axis=0) / hours.sum()
    # The six best hours of a user hold most of the listening; the six best of all together hold a third.
    assert np.sort(own, axis=1)[:, -6:].sum(axis=1).mean() > 0.6 > 1.7 * np.sort(everyone)[-6:].sum()
    weekday = np.bincount((world.config.start.weekday() + world.second // DAY) % 7)
    assert weekday[5:].mean() < 0.8 * weekday[:5].mean()


def test_more_than_half_of_the_listens_repeat_a_known_track(world: World) -> None:
    assert 0.55 < 1 - world.first_time.mean() < 0.70


def test_a_track_is_played_most_soon_after_its_discovery_and_tires(world: World) -> None:
    first = world.first_time
    key = world.user * len(world.catalogue.titles) + world.track
    _, found_at, pair = np.unique(key, return_index=True, return_inverse=True)
    age = (world.second - world.second[found_at][pair])[~first] // DAY
    watched = world.second[found_at] < 245 * DAY  # at least 120 days are left to see
    age = age[watched[pair][~first]]
    early, later = ((age >= low) & (age < low + 14) for low in (1, 100))
    assert early.sum() > 1.5 * later.sum() > 0


def test_nothing_is_played_before_its_release_and_releases_are_played_after(world: World) -> None:
    released = world.catalogue.released_on
    assert (world.second // DAY >= released[world.track]).all()
    new = released >= 0
    assert 0.08 < new.mean() < 0.12
    assert {(world.config.start.weekday() + int(day)) % 7 for day in released[new]} == {4}
    assert np.isin(np.flatnonzero(new & (released < 300)), world.track).mean() > 0.9
    age = (world.second // DAY - released[world.track])[new[world.track] & (released[world.track] < 280)]
    assert (age < 14).sum() > 1.5 * ((age >= 70) & (age < 84)).sum()


def test_some_old_tracks_rise_and_fall_within_weeks(world: World) -> None:
    old = np.flatnonzero((world.catalogue.released_on < 0) & (np.bincount(world.track, minlength=10_000) > 100))
    months = np.zeros((10_000, 12))
    np.add.at(months, (world.track, np.minimum(world.second // DAY // 30, 11)), 1)
    share = months[old] / months[old].sum(axis=1, keepdims=True)
    peak = share.max(axis=1)
    assert np.quantile(peak, 0.5) < 0.17
    assert np.quantile(peak, 0.95) > 0.27


def test_a_session_keeps_to_a_genre_and_to_artists(world: World) -> None:
    inside = ~world.opens_session[1:]
    assert (world.genre[1:] == world.genre[:-1])[inside].mean() > 0.75
    assert (world.artist[1:] == world.artist[:-1])[inside].mean() > 0.2
    assert (world.track[1:] == world.track[:-1])[inside].mean() < 0.02


def test_users_keep_to_few_genres_and_drift_over_the_year(world: World) -> None:
    often = np.flatnonzero(np.bincount(world.user) > 200)
    half = (world.second > 182 * DAY).astype(int)
    plays = np.zeros((2, 2_000, 25))
    np.add.at(plays, (half, world.user, world.genre), 1)
    own = plays.sum(axis=0)[often]
    own /= own.sum(axis=1, keepdims=True)
    everyone = plays.sum(axis=(0, 1)) / plays.sum()
    assert own.max(axis=1).mean() > 4 * everyone.max()
    second, best = np.argsort(own, axis=1)[:, -2:].T
    apart = np.minimum((best - second) % 25, (second - best) % 25)
    assert apart.mean() < 5  # on the ring of genres; picked at random, two would be 6.5 apart
    both = often[(plays[:, often].sum(axis=2) > 60).all(axis=0)]
    before, after = (plays[i, both] / plays[i, both].sum(axis=1, keepdims=True) for i in (0, 1))
    moved = np.abs(after - before).sum(axis=1).mean() / 2
    strangers = np.abs(after - np.roll(before, 1, axis=0)).sum(axis=1).mean() / 2
    assert 0.1 < moved < 0.6 * strangers


def test_new_tracks_are_found_near_the_users_taste_and_where_like_minded_users_are(world: World) -> None:
    """Recall at 100 of the tracks found in the last 14 days: popularity, popularity in own genres, co-listening."""
    past = world.second < (365 - 14) * DAY
    shape = (2_000, 10_000)
    heard = sparse.csr_matrix((np.ones(past.sum()), (world.user[past], world.track[past])), shape)
    heard.data = np.minimum(heard.data, 3)
    genre_of_track = world.catalogue.artist_genre[world.catalogue.track_artist]
    genres = np.zeros((2_000, 25))
    np.add.at(genres, (world.user[past], world.genre[past]), 1)
    popularity = np.bincount(world.track[past & (world.second > 300 * DAY)], minlength=10_000)
    seen = (heard > 0).astype(np.float64)
    together = sparse.diags(1 / np.sqrt(1 + np.asarray(seen.sum(axis=0)).ravel()))
    similar = together @ (seen.T @ seen) @ together
    found = ~past & world.first_time
    users = np.intersect1d(world.user[found], world.user[past])[:300]
    recall = np.zeros((len(users), 3))
    for row, user in enumerate(users):
        relevant = world.track[found & (world.user == user)]
        known = heard[[user]].indices
        scores = (popularity, popularity * genres[user][genre_of_track], (heard[[user]] @ similar).toarray()[0])
        for column, score in enumerate(scores):
            ranked = score.astype(float)
            ranked[known] = -1
            best = np.argpartition(-ranked, 100)[:100]
            recall[row, column] = np.isin(best, relevant).sum() / min(100, len(relevant))
    popular, by_genre, co_listened = recall.mean(axis=0)
    assert by_genre > 1.5 * popular
    assert co_listened > by_genre
