"""What people listen to: mostly what they know, and new tracks near what they like.

Re-listening copies a listen of an earlier session of the same user and genre, at a distance (in listens) with
a fat-tailed law: the Yule-Simon process with memory of Cattuto, Loreto and Pietronero, "Semiotic dynamics and
collaborative tagging", PNAS 104 (2007). Copies favour what was played often and lately; on top of it a track
tires its listener after a while.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.ingest.sample_world.catalogue import Catalogue
from assets.ingest.sample_world.config import SECONDS_PER_DAY, SampleWorld
from assets.ingest.sample_world.genres import GENRES
from assets.ingest.sample_world.listeners import FAVOURITES, Listeners, Tastes
from assets.ingest.sample_world.timing import Timetable

RUN_LENGTH = 3.5
# Where a run of discoveries comes from: favourite artist, other artist of the scene, scene, genre, anywhere.
DISCOVERY = np.cumsum([0.42, 0.19, 0.19, 0.12, 0.08])
LAG_SCALE = 20.0
SHARE_REPLAYED_IN_ORDER = 0.6
ATTEMPTS_TO_RECALL = 2
SHARE_AGAIN_IN_SESSION = 0.1
# Days for which a track stays welcome after its first listen: median, and spread of the logarithm.
WELCOME_DAYS = (60.0, 1.4)


@dataclass(frozen=True)
class _Runs:
    """Stretches of a session in one direction; `of` has one entry per listen, the others one per run."""

    of: np.ndarray
    genre: np.ndarray
    scene: np.ndarray
    favourite: np.ndarray  # artist
    goes_back: np.ndarray  # bool: to known tracks


def choose_tracks(
    timetable: Timetable,
    listeners: Listeners,
    tastes: Tastes,
    catalogue: Catalogue,
    config: SampleWorld,
    rng: np.random.Generator,
) -> np.ndarray:
    """A track for each listen of the timetable (int64, same order)."""
    week = config.week_of(timetable.second // SECONDS_PER_DAY)
    runs = _plan_runs(timetable, listeners, tastes, config, rng)
    first, last = _where_to_look(runs, week, catalogue, rng)
    found = catalogue.draw(week, first[runs.of], last[runs.of], rng)
    track = _recall(timetable, runs, found, rng)
    for bounds, corner in ((catalogue.scene_bounds, runs.scene), (catalogue.genre_bounds, runs.genre)):
        again = _played_before_in_session(np.cumsum(timetable.opens_session), track)
        again = again[rng.random(len(again)) > SHARE_AGAIN_IN_SESSION]
        place = corner[runs.of[again]]
        track[again] = catalogue.draw(week[again], bounds[place], bounds[place + 1], rng)
    return track


def _plan_runs(
    timetable: Timetable, listeners: Listeners, tastes: Tastes, config: SampleWorld, rng: np.random.Generator
) -> _Runs:
    opens = timetable.opens_session
    session = np.cumsum(opens) - 1
    user = timetable.user[opens]
    # Tastes drift: the later in the year, the likelier a session follows the weights of the end.
    late = rng.random(len(user)) * config.days * SECONDS_PER_DAY < timetable.second[opens]
    weights = np.where(late[:, None], tastes.weight_at_end[user], tastes.weight_at_start[user])
    taste = (rng.random(len(user))[:, None] > weights[:, :-1]).sum(axis=1)
    opens_run = opens | (rng.random(len(opens)) < 1.0 / RUN_LENGTH)
    run_session = session[opens_run]
    run_user, run_taste = user[run_session], taste[run_session]
    slot = (rng.random(len(run_user)) ** 1.6 * FAVOURITES).astype(np.int64)
    return _Runs(
        of=np.cumsum(opens_run) - 1,
        genre=tastes.genre[run_user, run_taste],
        scene=tastes.scene[run_user, run_taste],
        favourite=tastes.favourites[run_user, run_taste, slot],
        goes_back=rng.random(len(run_user)) < listeners.repeats[run_user],
    )


def _where_to_look(
    runs: _Runs, week: np.ndarray, catalogue: Catalogue, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The range of tracks that each run draws its discoveries from."""
    count = len(runs.genre)
    opening = np.flatnonzero(np.diff(runs.of, prepend=-1))
    scene_first, scene_last = catalogue.scene_bounds[runs.scene], catalogue.scene_bounds[runs.scene + 1]
    other = catalogue.track_artist[catalogue.draw(week[opening], scene_first, scene_last, rng)]
    kind = np.searchsorted(DISCOVERY[:-1], rng.random(count), side="right")
    bounds = catalogue.artist_bounds
    everything = np.zeros(count, dtype=np.int64)
    first = np.choose(
        kind,
        [bounds[runs.favourite], bounds[other], scene_first, catalogue.genre_bounds[runs.genre], everything],
    )
    last = np.choose(
        kind,
        [
            bounds[runs.favourite + 1],
            bounds[other + 1],
            scene_last,
            catalogue.genre_bounds[runs.genre + 1],
            everything + len(catalogue.titles),
        ],
    )
    return first, last


def _recall(timetable: Timetable, runs: _Runs, found: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replaces discoveries, in runs that go back, by tracks of the user's earlier sessions in the genre."""
    count = len(found)
    stream = timetable.user * len(GENRES) + runs.genre[runs.of]
    order = np.argsort(stream, kind="stable")
    index = np.arange(count)
    place = index - _latest(np.diff(stream[order], prepend=-1) > 0)
    opens_session = timetable.opens_session[order]
    session, into_session = np.cumsum(opens_session), index - _latest(opens_session)
    lag = _lags(runs.of[order], place, into_session, rng)
    source = np.where(runs.goes_back[runs.of[order]], index - lag, index)
    further = source[source]
    while (further != source).any():
        source, further = further, further[further]
    second = timetable.second[order]
    median, spread = WELCOME_DAYS
    welcome = rng.lognormal(np.log(median), spread, count) * SECONDS_PER_DAY
    for _ in range(ATTEMPTS_TO_RECALL):
        unwanted = second - second[source] > welcome[source]
        unwanted[_played_before_in_session(session, found[order][source])] = True
        source = np.where(unwanted, source[index - _draw_lag(place, into_session, rng)], source)
    source = np.where(second - second[source] > welcome[source], index, source)
    track = np.empty_like(found)
    track[order] = found[order][source]
    return track


def _latest(opens: np.ndarray) -> np.ndarray:
    """For each position, the last one up to it where `opens` is true."""
    return np.maximum.accumulate(np.where(opens, np.arange(len(opens)), 0))


def _lags(run: np.ndarray, place: np.ndarray, into_session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many listens of the stream each listen goes back; 0 where nothing is known.

    Runs that replay a stretch in order have one lag, the others a lag per listen.
    """
    lag = _draw_lag(place, into_session, rng)
    opening = _latest(np.diff(run, prepend=-1) != 0)
    in_order = (rng.random(len(run)) < SHARE_REPLAYED_IN_ORDER)[opening]
    return np.where(in_order, lag[opening], lag)


def _draw_lag(place: np.ndarray, into_session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lag that leads out of the session, with probability falling as 1 / (distance + LAG_SCALE).

    `place` counts a stream's earlier listens, `into_session` those of them in the same session. 0 where
    there is no earlier session.
    """
    known = place - into_session
    reach = LAG_SCALE * ((1.0 + known / LAG_SCALE) ** rng.random(len(known)) - 1.0)
    return np.where(known > 0, into_session + 1 + np.minimum(reach.astype(np.int64), known - 1), 0)


def _played_before_in_session(session: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Positions of listens whose track was already played in the same session."""
    order = np.argsort(session * (track.max(initial=0) + 1) + track, kind="stable")
    same = (np.diff(track[order], prepend=-1) == 0) & (np.diff(session[order], prepend=-1) == 0)
    again: np.ndarray = order[same]
    return again
