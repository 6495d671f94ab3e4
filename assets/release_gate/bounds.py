"""What the figures of a slate may be: bounds that hold from the first night on, and bands learned from those before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from assets.metrics.segments import LEAST_USERS_OF_COUNTRY
from assets.ranker.promotion import PromotionConfig, loses
from assets.release_gate.expected import MAY_LACK_A_LIST, MIN_COVERAGE
from assets.release_gate.measures import ALL, FIRST
from quality.bands import middle_and_reach

# By measure and segment.
Figures = Mapping[tuple[str, str], float]

# A share of fewer lists says more about one person than about how lists are made.
LEAST_LISTS = 20
# With fewer tracks to choose from, lists have a tenth of their first 20 in common by chance alone.
LEAST_TRACKS = 10 * FIRST
# With fewer artists, one of them has a twentieth of everything by chance alone.
LEAST_ARTISTS = 20
# Of a part of the users, fewer may have heard or blocked all that there is: less than of all of them, and still so many
# that a country or the new ones cannot be missing.
MIN_SEGMENT_COVERAGE = 0.9
# Two people may have the same hundred tracks in the same order when they heard the same few; a fifth of all may not.
MOST_SAME_LISTS = 0.2
# Lists that share four fifths with everybody's are a chart. They differ in little but what each user had heard or
# blocked.
MOST_ALIKE = 0.8
# One artist on every second place of everybody: unless the world listens like that, which three times its share of the
# listens is more than.
MOST_OF_TOP_ARTIST = 0.5
TIMES_LISTENED = 3
# The rules of lists let no long list have half of one artist; a tenth of them is not a detail of rounding.
MOST_OF_ONE_ARTIST = 0.1
# Ranked by what says nothing. A forest gives two tracks the same score, never ten or more of a list.
MOST_OF_ONE_SCORE = 0.1
# What is compared with lists of more than a week before is compared with another world.
LONGEST_AGO = 7
# Everybody who ever listened has a list, so there are more of them each night, unless a load was undone.
LEAST_OF_USERS_BEFORE = 0.9
# From one night to the next lists do not lose half their length, nor all lists together half their tracks.
LEAST_OF_LENGTH_BEFORE = 0.5
# The lists of others: a list has no more in common with the same user's of before than with anybody's, give or take one
# track of 20.
ONE_TRACK = 1 / FIRST
# Where lists are half alike anyway, whose they are cannot be told like that.
TELLS_USERS_APART = 0.5
# Of fewer users an interval says little.
LEAST_SHADOW_USERS = 50

# Fewer nights do not show how figures vary from weekday to weekday.
LEAST_NIGHTS = 7
# What was four weeks ago was another catalogue.
MOST_NIGHTS = 28


@dataclass(frozen=True)
class Refusal:
    """A figure that is out of bounds, and what that means in words."""

    measure: str
    segment: str
    value: float
    bound: float
    reason: str


@dataclass(frozen=True)
class _Band:
    """How far a figure may go from the median of the nights before, at least, and where to."""

    floor: float
    side: Literal["above", "below", "either"]
    relative: bool
    """Whether the floor is a part of the median."""
    reason: str


# The floors are what a new champion, or a weekend, may change without anybody being alarmed.
_BANDS = {
    "overlap": _Band(0.2, "either", False, "of the first tracks were in the lists of before"),
    "alike": _Band(0.15, "above", False, "of the first tracks are those of others"),
    "top_artist": _Band(0.1, "above", False, "of all places have one artist"),
    "artists": _Band(0.4, "below", True, "artists are in a list"),
    "length": _Band(0.3, "below", True, "tracks are in a list"),
    "tracks": _Band(0.4, "below", True, "different tracks are in all lists"),
}
_COUNTS = {"artists", "length", "tracks"}
_FAULTLESS = {
    "unknown_tracks": "tracks that the release does not know",
    "unknown_reasons": "reasons that name tracks which the release does not know",
    "unknown_users": "lists of users whom the warehouse does not know",
    "not_finite": "scores that are not finite numbers",
    "blocked": "tracks that their users have blocked",
}


def refusals(as_of: date, now: Figures, nights: Sequence[tuple[date, Figures]]) -> list[Refusal]:
    """What is out of bounds in the figures of a slate, the worst first; nothing where its lists may go live.

    nights: the figures of the dates before whose lists went live or could have, newest first, as far as they are known.
    """
    found = [*_faulty(now), *_missing(now, had_lists=any(("users", ALL) in figures for _, figures in nights))]
    if _of(now, "users"):
        found += [*_the_same(now), *_since(as_of, now, nights), *_worse_than_served(as_of, now)]
        found += _out_of_band(now, nights)
    return found


def _of(figures: Figures, measure: str) -> float:
    return figures.get((measure, ALL), 0.0)


def _faulty(now: Figures) -> list[Refusal]:
    """What no list may hold, were it one."""
    return [
        Refusal(measure, ALL, _of(now, measure), 0, f"{_of(now, measure):,.0f} {what}")
        for measure, what in _FAULTLESS.items()
        if _of(now, measure)
    ]


def _missing(now: Figures, had_lists: bool) -> list[Refusal]:
    """Who should have a list and has none. Where nobody has one, and few are expected, there may be nothing to list."""
    found = []
    for (measure, segment), expected in sorted(now.items()):
        if measure != "users_expected":
            continue
        share = now["coverage", segment]
        lacking = round(expected * (1 - share))
        whole = segment == ALL
        least = MIN_COVERAGE if whole else MIN_SEGMENT_COVERAGE
        enough = had_lists or bool(share) or expected >= LEAST_LISTS if whole else expected >= LEAST_USERS_OF_COUNTRY
        if enough and share < least and lacking > MAY_LACK_A_LIST:
            of = "" if whole else f" of the segment {segment}"
            reason = (
                f"{share:.1%} of the {expected:,.0f} users expected{of} have a list, where {least:.0%} is the least"
            )
            found.append(Refusal("coverage", segment, share, least, reason))
    return sorted(found, key=lambda refusal: refusal.segment != ALL)


def _the_same(now: Figures) -> list[Refusal]:
    """Lists that are everybody's, one artist's, or in no order."""
    # Without a ranker the order may be that of what is popular, which is one for all.
    ranked = not _of(now, "untrained")
    chosen = ranked and _of(now, "known_tracks") >= LEAST_TRACKS
    long_enough = _of(now, "lists_of_10") >= LEAST_LISTS
    rules = [
        ("same_list", MOST_SAME_LISTS, chosen and long_enough, "of the lists are one and the same"),
        (
            "alike",
            MOST_ALIKE,
            chosen and _of(now, "users") >= LEAST_LISTS,
            f"of the first {FIRST} tracks of a list are those of any other",
        ),
        (
            "top_artist",
            max(MOST_OF_TOP_ARTIST, TIMES_LISTENED * _of(now, "top_artist_listens")),
            _of(now, "known_artists") >= LEAST_ARTISTS and _of(now, "users") >= LEAST_LISTS,
            f"of all places have one artist, who has {_of(now, 'top_artist_listens'):.1%} of the listens",
        ),
        (
            "one_artist",
            MOST_OF_ONE_ARTIST,
            _of(now, "lists_of_50") >= LEAST_LISTS,
            "of the long lists are filled by one artist",
        ),
        ("one_score", MOST_OF_ONE_SCORE, long_enough, "of the lists have the same score on every place"),
    ]
    return [
        Refusal(measure, ALL, _of(now, measure), most, f"{_of(now, measure):.1%} {what}, where {most:.0%} is the most")
        for measure, most, applies, what in rules
        if applies and _of(now, measure) > most
    ]


def _since(as_of: date, now: Figures, nights: Sequence[tuple[date, Figures]]) -> list[Refusal]:
    """What cannot become of the lists of the last good night, few days ago."""
    days = _of(now, "compared_days")
    if not 0 < days <= LONGEST_AGO:
        return []
    day = as_of - timedelta(days)
    return [*_less(now, dict(nights[:1]).get(day, {}), day), *_of_others(now, day)]


def _less(now: Figures, before: Figures, day: date) -> list[Refusal]:
    """What there is much less of than on a day before."""
    rules = [
        ("users", "users have a list", LEAST_OF_USERS_BEFORE),
        ("length", "tracks are in a list", LEAST_OF_LENGTH_BEFORE),
        ("tracks", "different tracks are in all lists", LEAST_OF_LENGTH_BEFORE),
    ]
    users = _of(now, "users"), _of(before, "users")
    found = []
    for measure, what, least in rules:
        value, was = _of(now, measure), _of(before, measure)
        # Of a handful of users, one who comes or goes is a large part.
        enough = users[1] - users[0] >= LEAST_LISTS if measure == "users" else min(users) >= LEAST_LISTS
        if enough and value < least * was:
            reason = f"{_number(value)} {what}, {_number(was)} as of {day}, where {least:.0%} of that is the least"
            found.append(Refusal(measure, ALL, value, least * was, reason))
    return found


def _of_others(now: Figures, day: date) -> list[Refusal]:
    """Lists that were given to others. Another model may make other lists, and a popular order one for all."""
    alike, overlap = _of(now, "alike"), _of(now, "overlap")
    tells = _of(now, "compared_model") and not _of(now, "untrained") and alike < TELLS_USERS_APART
    most = alike + ONE_TRACK
    if not tells or _of(now, "compared_users") < LEAST_LISTS or overlap > most:
        return []
    reason = (
        f"lists have {overlap:.1%} of their first {FIRST} tracks in common with those of the same users as of {day},"
        f" and {alike:.1%} with anybody's: they are lists of others"
    )
    return [Refusal("overlap", ALL, overlap, most, reason)]


def _worse_than_served(as_of: date, now: Figures) -> list[Refusal]:
    """What would have served listeners worse than what did serve them, by the rule of the promotion gate."""
    users, then, delta, high = (_of(now, f"shadow_{name}") for name in ("users", "ndcg_then", "delta", "high"))
    config = PromotionConfig()
    if users < LEAST_SHADOW_USERS or not loses(delta, high, then, config):
        return []
    reason = (
        f"NDCG@100 of {users:,.0f} listeners is {_of(now, 'shadow_ndcg'):.4f} with lists as of"
        f" {as_of - timedelta(_of(now, 'shadow_days'))} by the model and the code of these, and {then:.4f} with those"
        f" that they were served: {-delta:.4f} less, at least {-high:.4f}, where {config.tolerance:.0%} is tolerated"
    )
    return [Refusal("shadow_delta", ALL, delta, -config.tolerance * then, reason)]


def _out_of_band(now: Figures, nights: Sequence[tuple[date, Figures]]) -> list[Refusal]:
    """What is unlike the nights before, where there are enough of them."""
    if _of(now, "users") < LEAST_LISTS:
        return []
    found = []
    for measure, band in _BANDS.items():
        if measure == "overlap" and not _of(now, "compared_model"):
            continue
        known = [(day, each[measure, ALL]) for day, each in nights if _comparable(measure, now, each)][:MOST_NIGHTS]
        value = now.get((measure, ALL))
        if value is None or len(known) < LEAST_NIGHTS:
            continue
        low, high = _ends(band, [each for _, each in known])
        if low <= value <= high:
            continue
        bound = low if value < low else high
        told = _number if measure in _COUNTS else "{:.1%}".format
        days = f"the {len(known)} nights from {known[-1][0]} to {known[0][0]}"
        reason = (
            f"{told(value)} {band.reason}, where {told(bound)} is the {'least' if value < low else 'most'} by {days}"
        )
        found.append(Refusal(measure, ALL, value, bound, reason))
    return found


def _comparable(measure: str, now: Figures, before: Figures) -> bool:
    """Whether a figure of a night before is one to learn from: overlaps of the same model and number of days are."""
    if (measure, ALL) not in before:
        return False
    same_days = _of(before, "compared_days") == _of(now, "compared_days")
    return measure != "overlap" or (same_days and bool(_of(before, "compared_model")))


def _ends(band: _Band, values: Sequence[float]) -> tuple[float, float]:
    """The least and the most that a figure may be."""
    middle, spread = middle_and_reach(values)
    reach = max(spread, band.floor * middle if band.relative else band.floor)
    low = middle - reach if band.side != "above" else float("-inf")
    high = middle + reach if band.side != "below" else float("inf")
    return low, high


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")
