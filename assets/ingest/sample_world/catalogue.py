"""The music of the sample world: artists, tracks, their names, releases and popularity week by week."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass

import numpy as np

from assets.ingest.sample_world.config import SampleWorld
from assets.ingest.sample_world.genres import GENRES

TRACKS_PER_ARTIST = 8
ARTISTS_PER_SCENE = 16
SHARE_NEW = 0.10
SHARE_TRENDING = 0.05
SHARE_TWO_GENRES = 0.25
SHARE_WITH_MBID = 0.95


@dataclass(frozen=True)
class Catalogue:
    """A artists and T tracks, ordered by genre, then scene (artists with one audience), then artist.

    Each genre, scene and artist is therefore one range of tracks, given by `*_bounds` (n + 1 offsets each).
    """

    artist_names: list[str]
    artist_mbids: list[str]  # "" where there is none
    titles: list[str]
    track_mbids: list[str]  # "" where there is none
    artist_genre: np.ndarray  # int64[A], index into GENRES
    artist_second_genre: np.ndarray  # int64[A], -1 where there is none
    track_artist: np.ndarray  # int64[T]
    track_scene: np.ndarray  # int64[T]
    genre_bounds: np.ndarray  # int64[len(GENRES) + 1]
    scene_bounds: np.ndarray
    artist_bounds: np.ndarray
    released_on: np.ndarray  # int64[T], day counted from the start of the world; -1 for older music
    popularity: np.ndarray  # float64[weeks * T + 1], running sum of the weekly weights, week after week

    def draw(self, week: np.ndarray, first: np.ndarray, last: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One track for each week from the range [first, last), by that week's popularity (int64[n]).

        A track is never drawn in a week before its release. Each artist has music older than the world, so
        the range of an artist, scene or genre is never without a released track.
        """
        offset = week * len(self.titles)
        low, high = self.popularity[offset + first], self.popularity[offset + last]
        point = low + rng.random(len(week)) * (high - low)
        # Rounding up to `high` would pick what follows the range.
        point = np.minimum(point, np.nextafter(high, -np.inf))
        drawn: np.ndarray = np.searchsorted(self.popularity, point, side="right") - 1 - offset
        return drawn


def name_key(name: str) -> str:
    """The form in which names must differ: NFKC, case folded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def build_catalogue(config: SampleWorld) -> Catalogue:
    """The catalogue of a world; needs about 9 bytes per track and week."""
    rng = np.random.default_rng([config.seed, 1])
    artists = config.tracks // TRACKS_PER_ARTIST
    genre, second_genre, scene = _place_artists(artists, rng)
    weight = rng.permutation((np.arange(artists) + 3.0) ** -1.1)
    sizes = 1 + rng.multinomial(config.tracks - artists, weight**0.5 / (weight**0.5).sum())
    artist_bounds = np.concatenate([[0], np.cumsum(sizes)])
    track_artist = np.repeat(np.arange(artists), sizes)
    scene_ends = np.cumsum(np.bincount(scene[track_artist]))
    genre_ends = np.cumsum(np.bincount(genre[track_artist]))
    place_on_chart = np.arange(config.tracks) - artist_bounds[track_artist]
    released_week = _release(config, sizes, artist_bounds, rng)
    base = weight[track_artist] * (place_on_chart + 1.0) ** -1.1 * rng.lognormal(0.0, 0.35, config.tracks)
    artist_names, titles = _name_everything(genre, sizes, rng)
    return Catalogue(
        artist_names=artist_names,
        artist_mbids=_mbids(artists, rng),
        titles=titles,
        track_mbids=_mbids(config.tracks, rng),
        artist_genre=genre,
        artist_second_genre=second_genre,
        track_artist=track_artist,
        track_scene=scene[track_artist],
        genre_bounds=np.concatenate([[0], genre_ends]),
        scene_bounds=np.concatenate([[0], scene_ends]),
        artist_bounds=artist_bounds,
        released_on=np.where(released_week > 0, config.friday_of(released_week), -1),
        popularity=_popularity(config, base, released_week, rng),
    )


def _place_artists(artists: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Genre, second genre (or -1) and scene of each artist, ordered by genre and scene."""
    share = rng.lognormal(0.0, 0.45, len(GENRES))
    share /= share.sum()
    others = rng.choice(len(GENRES), artists - len(GENRES), p=share)
    genre = np.sort(np.concatenate([np.arange(len(GENRES)), others]))
    neighbour = (genre + rng.choice([-2, -1, 1, 2], artists)) % len(GENRES)
    second_genre = np.where(rng.random(artists) < SHARE_TWO_GENRES, neighbour, -1)
    in_genre = np.bincount(genre, minlength=len(GENRES))
    scenes = np.maximum(1, np.round(in_genre / ARTISTS_PER_SCENE)).astype(np.int64)
    place = np.arange(artists) - np.concatenate([[0], np.cumsum(in_genre)[:-1]])[genre]
    first_scene = np.concatenate([[0], np.cumsum(scenes)[:-1]])
    scene = first_scene[genre] + place * scenes[genre] // in_genre[genre]
    return genre, second_genre, scene


def _release(config: SampleWorld, sizes: np.ndarray, bounds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Week of release of each track, 0 for older music: singles and albums until a tenth of all is new.

    An artist's first track is always older than the world (see `Catalogue.draw`).
    """
    week = np.zeros(config.tracks, dtype=np.int64)
    wanted = round(SHARE_NEW * config.tracks)
    for artist in rng.permutation(len(sizes)):
        songs = min(sizes[artist] - 1, wanted, 1 if rng.random() < 0.4 else int(rng.integers(3, 9)))
        last = bounds[artist + 1]
        week[last - songs : last] = rng.integers(1, config.weeks)
        wanted -= songs
    return week


def _popularity(
    config: SampleWorld, base: np.ndarray, released_week: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Running sum over weeks and tracks of each track's weight in each week.

    A release peaks in its first week and decays to its base over about two months; a few old tracks rise to
    many times their base and fall again within weeks.
    """
    tracks = len(base)
    trending = (rng.random(tracks) < SHARE_TRENDING) & (released_week == 0)
    height = np.where(trending, rng.lognormal(3.2, 0.4, tracks), 0.0)
    peak = rng.uniform(0, config.weeks, tracks)
    width = rng.uniform(1.5, 3.5, tracks)
    weekly = np.empty((config.weeks, tracks))
    for week in range(config.weeks):
        age = week - released_week
        novelty = np.where(released_week > 0, 8.0 * np.exp(-age / 5.0), 0.0)
        trend = height * np.exp(-(((week - peak) / width) ** 2))
        weekly[week] = np.where(age >= 0, base * (1.0 + novelty + trend), 0.0)
    return np.concatenate([[0.0], np.cumsum(weekly)])


def _name_everything(genre: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A name for each artist, unique in the world, and a title for each track, unique with its artist."""
    artist_names: list[str] = []
    taken: set[str] = set()
    for index, words in enumerate(GENRES):
        count = int((genre == index).sum())
        artist_names += _invent(words.acts, words.act_first, words.act_second, count, rng, taken)
    titles: list[str] = []
    for index, size in zip(genre.tolist(), sizes.tolist(), strict=True):
        words = GENRES[index]
        titles += _invent(words.titles, words.title_first, words.title_second, size, rng, set())
    return artist_names, titles


def _invent(patterns: str, first: str, second: str, count: int, rng: np.random.Generator, taken: set[str]) -> list[str]:
    """`count` names whose keys are not in `taken` (which grows).

    A pair of words comes back, with another pattern and at last numbered, only once all pairs are used.
    """
    pattern, ones, twos = patterns.split("|"), first.split("|"), second.split("|")
    names: list[str] = []
    turn = 0
    while len(names) < count:
        number = "" if turn < len(pattern) else f" ({turn // len(pattern) + 1})"
        for pair in rng.permutation(len(ones) * len(twos)).tolist():
            one, two = divmod(pair, len(twos))
            name = pattern[(pair + one + turn) % len(pattern)].format(ones[one], twos[two]) + number
            if len(names) == count:
                break
            if name_key(name) not in taken:
                taken.add(name_key(name))
                names.append(name)
        turn += 1
    return names


def _mbids(count: int, rng: np.random.Generator) -> list[str]:
    has_one = rng.random(count) < SHARE_WITH_MBID
    noise = rng.bytes(16 * count)
    return [
        str(uuid.UUID(bytes=noise[16 * i : 16 * (i + 1)], version=4)) if known else ""
        for i, known in enumerate(has_one)
    ]
