"""The people of the sample world: how much and when they listen, where they live, what they like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.ingest.sample_world.catalogue import Catalogue
from assets.ingest.sample_world.config import (
    MOST_LISTENS_PER_DAY,
    SHORTEST_MEMBERSHIP_DAYS,
    SampleWorld,
    SampleWorldError,
)
from assets.ingest.sample_world.genres import GENRES

# Country, share of users, hours ahead of UTC.
COUNTRIES = (
    ("United States", 0.24, -5.0),
    ("United Kingdom", 0.13, 0.0),
    ("Germany", 0.10, 1.0),
    ("Brazil", 0.09, -3.0),
    ("Poland", 0.07, 1.0),
    ("Sweden", 0.06, 1.0),
    ("Japan", 0.06, 9.0),
    ("Finland", 0.05, 2.0),
    ("Canada", 0.05, -5.0),
    ("Colombia", 0.04, -5.0),
    ("Australia", 0.04, 10.0),
    ("Russian Federation", 0.04, 3.0),
    ("India", 0.03, 5.5),
)
# Commuters, people who listen at work, evening people, night owls: share of users; odds that a session that
# falls on a weekend is moved to a weekday.
HABIT_SHARE = (0.25, 0.25, 0.35, 0.15)
HABIT_WEEKDAY_PULL = (0.6, 0.5, 0.0, 0.0)
TASTES = 5
FAVOURITES = 5
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Listeners:
    """One entry per user in every array."""

    listens: np.ndarray  # int64, clean listens of the whole period
    joins: np.ndarray  # int64, first day (counted from the start of the world)
    leaves: np.ndarray  # int64, day after the last
    country: np.ndarray  # int64, index into COUNTRIES
    habit: np.ndarray  # int64, index into HABIT_SHARE
    hour_shift: np.ndarray  # float64, hours by which a user is later than the habit's hours
    session_length: np.ndarray  # float64, mean listens per session
    repeats: np.ndarray  # float64, probability that a run of listens goes back to known tracks

    def __len__(self) -> int:
        return len(self.listens)

    def between(self, first: int, last: int) -> Listeners:
        """The users with index in [first, last)."""
        return Listeners(**{field: values[first:last] for field, values in vars(self).items()})


@dataclass(frozen=True)
class Tastes:
    """What each of n users likes: TASTES scenes, with favourite artists in each."""

    genre: np.ndarray  # int64[n, TASTES]
    scene: np.ndarray  # int64[n, TASTES]
    favourites: np.ndarray  # int64[n, TASTES, FAVOURITES], artists; the first is liked most
    weight_at_start: np.ndarray  # float64[n, TASTES], running sum up to 1
    weight_at_end: np.ndarray  # float64[n, TASTES], running sum up to 1


def build_listeners(config: SampleWorld) -> Listeners:
    """All users of a world.

    Raises SampleWorldError when the users cannot listen that much in that time.
    """
    rng = np.random.default_rng([config.seed, 2])
    n = config.users
    longest = config.days - SHORTEST_MEMBERSHIP_DAYS
    joins = np.where(rng.random(n) < 0.25, rng.integers(0, longest + 1, n), 0)
    stays = SHORTEST_MEMBERSHIP_DAYS + rng.integers(0, config.days, n)
    leaves = np.where(rng.random(n) < 0.15, np.minimum(joins + stays, config.days), config.days)
    rate = np.exp(1.1 * np.minimum(rng.standard_normal(n), 3.0))
    return Listeners(
        listens=_share_out(config, rate * (leaves - joins), MOST_LISTENS_PER_DAY * (leaves - joins)),
        joins=joins,
        leaves=leaves,
        country=rng.choice(len(COUNTRIES), n, p=[share for _, share, _ in COUNTRIES]),
        habit=rng.choice(len(HABIT_SHARE), n, p=HABIT_SHARE),
        hour_shift=rng.normal(0.0, 0.8, n),
        session_length=3.5 + rng.gamma(3.0, 1.9, n),
        repeats=rng.beta(12.0, 1.8, n),
    )


def _share_out(config: SampleWorld, weight: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Whole numbers proportional to `weight`, none above `most`, whose sum is exactly `config.listens`."""
    if config.listens > most.sum():
        raise SampleWorldError(
            f"sample world: {config.users} users cannot play {config.listens} tracks in {config.days} days "
            f"(at most {most.sum()}); raise users or days, or lower listens"
        )
    low, high = 0.0, float((most / weight).max())
    for _ in range(100):
        middle = (low + high) / 2
        if np.minimum(most, middle * weight).sum() < config.listens:
            low = middle
        else:
            high = middle
    exact = np.minimum(most, low * weight)
    whole: np.ndarray = np.floor(exact).astype(np.int64)
    # The largest remainders take what rounding down left over; a second turn is needed only at the limit.
    while (short := config.listens - int(whole.sum())) > 0:
        open_to_more = np.flatnonzero(whole < most)
        order = np.argsort(whole[open_to_more] - exact[open_to_more], kind="stable")
        whole[open_to_more[order[:short]]] += 1
    return whole


def choose_tastes(users: int, catalogue: Catalogue, rng: np.random.Generator) -> Tastes:
    """Tastes of `users` users: a home genre, mostly its neighbours, one of them found during the year."""
    genre = _choose_genres(users, catalogue, rng)
    launch = np.zeros(genre.size, dtype=np.int64)
    flat = genre.ravel()
    in_genre = catalogue.draw(launch, catalogue.genre_bounds[flat], catalogue.genre_bounds[flat + 1], rng)
    scene = catalogue.track_scene[in_genre]
    start = rng.gamma(0.5, 1.0, genre.shape) + 1e-3
    start[:, 0] += 1.6
    start[:, -1] = 0.0
    end = start * rng.lognormal(0.0, 0.7, genre.shape)
    end[:, -1] = rng.gamma(0.5, 1.0, users) + 0.1
    return Tastes(
        genre=genre,
        scene=scene.reshape(genre.shape),
        favourites=_choose_favourites(flat, scene, catalogue, rng).reshape(users, TASTES, FAVOURITES),
        weight_at_start=np.cumsum(start, axis=1) / start.sum(axis=1, keepdims=True),
        weight_at_end=np.cumsum(end, axis=1) / end.sum(axis=1, keepdims=True),
    )


def _choose_genres(users: int, catalogue: Catalogue, rng: np.random.Generator) -> np.ndarray:
    share = np.bincount(catalogue.artist_genre, minlength=len(GENRES)) / len(catalogue.artist_genre)
    anywhere = rng.choice(len(GENRES), (users, TASTES), p=share)
    home = anywhere[:, :1]
    nearby = (home + np.rint(rng.laplace(0.0, 1.2, (users, TASTES))).astype(np.int64)) % len(GENRES)
    genre = np.where(rng.random((users, TASTES)) < 0.75, nearby, anywhere)
    genre[:, :1] = home
    return genre


def _choose_favourites(
    genre: np.ndarray, scene: np.ndarray, catalogue: Catalogue, rng: np.random.Generator
) -> np.ndarray:
    """FAVOURITES artists per (genre, scene): of the scene, now and then one whose second genre this is."""
    scene = np.repeat(scene, FAVOURITES)
    genre = np.repeat(genre, FAVOURITES)
    launch = np.zeros(len(scene), dtype=np.int64)
    track = catalogue.draw(launch, catalogue.scene_bounds[scene], catalogue.scene_bounds[scene + 1], rng)
    visitors = np.argsort(catalogue.artist_second_genre, kind="stable")
    second = catalogue.artist_second_genre[visitors]
    first, last = np.searchsorted(second, genre), np.searchsorted(second, genre, side="right")
    visitor = visitors[np.minimum(first + rng.integers(0, np.maximum(last - first, 1)), len(visitors) - 1)]
    crosses = (rng.random(len(scene)) < 0.12) & (last > first)
    favourites: np.ndarray = np.where(crosses, visitor, catalogue.track_artist[track])
    return favourites


def profile_lines(first_user: int, listeners: Listeners, config: SampleWorld, rng: np.random.Generator) -> str:
    """Lines of the profile file (id, gender, age, country, registered) of users from index `first_user` on.

    About a tenth of the genders and countries, a third of the ages and 2 % of the dates are missing.
    """
    n = len(listeners)
    gender = rng.choice(["m", "f", ""], n, p=[0.52, 0.38, 0.10])
    age = np.clip(np.rint(15 + rng.gamma(2.2, 6.0, n)), 13, 90).astype(np.int64)
    known = rng.random((n, 3)) > (0.33, 0.09, 0.02)
    # Who was there when the world began registered some time in the five years before.
    day = np.where(listeners.joins > 0, listeners.joins, -rng.integers(0, 5 * 365, n))
    registered = np.datetime64(config.start) + day
    lines = []
    for i, (has_age, has_country, has_date) in enumerate(known):
        date = registered[i].item()
        fields = (
            f"user_{first_user + i + 1:06d}",
            gender[i],
            str(age[i]) if has_age else "",
            COUNTRIES[listeners.country[i]][0] if has_country else "",
            f"{MONTHS[date.month - 1]} {date.day:02d}, {date.year}" if has_date else "",
        )
        lines.append("\t".join(fields) + "\n")
    return "".join(lines)
