"""Accounts that cannot be people, and people who might be taken for such, as rows of a Last.fm file."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files

Song = tuple[str, str]
"""Artist and title."""
Row = tuple[str, datetime, Song]

LIST_ACCOUNTS = [f"list_{number}" for number in range(10)]
ORDER_ACCOUNTS = [f"order_{number}" for number in range(3)]
# By account, the reason by which it has to be known.
REASONS = {
    "flood": "too_many_listens",
    "every_day": "too_many_listens",
    "metronome": "regular_intervals",
    "around_the_clock": "regular_intervals",
    "one_song": "one_track",
    **dict.fromkeys([*LIST_ACCOUNTS, *ORDER_ACCOUNTS], "same_list"),
}
PEOPLE = ("album", "party", "sleeper", "sleeper_by_album", "lullaby", "couple_1", "couple_2", "fan_1", "fan_2", "fan_3")


def own(account: str, songs: int) -> list[Song]:
    """Songs that nobody else hears."""
    return [(f"{account} artist {number % 3}", f"{account} song {number}") for number in range(songs)]


def unlikely_rows(last_day: date, songs: Sequence[Song]) -> Iterator[Row]:
    """What each account of REASONS plays up to a day: songs that people play, and some that nobody does.

    songs: at least 200, of more than ten artists.
    """
    draw = np.random.default_rng(3)
    last = datetime.combine(last_day, time(), UTC)
    yield from _played("flood", last, [*songs[:3], *own("flood", 1)] * 12_500, 1.5)
    for day in range(7):
        gaps = draw.uniform(35, 45, 1_100)
        yield from _played("every_day", last - timedelta(days=day), draw.choice(songs, 1_100).tolist(), gaps)
    yield from _played("metronome", last, (list(songs) * 2)[:120], 180 + draw.uniform(-4, 4, 120))
    yield from _played("around_the_clock", last, [*songs[4:8], *own("around_the_clock", 1)] * 94, 180)
    for day in range(22):
        yield from _played("one_song", last - timedelta(days=day), [songs[9]] * 30, draw.uniform(60, 900, 30))
    for day in range(2):
        listed, gaps = draw.choice(songs, 40, replace=False).tolist(), draw.uniform(120, 300, 40)
        for account in LIST_ACCOUNTS:
            yield from _played(account, last - timedelta(days=day), listed, gaps)
    listed, gaps = draw.choice(songs, 120, replace=False).tolist(), draw.uniform(120, 300, 120)
    for hour, account in enumerate(ORDER_ACCOUNTS):
        yield from _played(account, last + timedelta(hours=hour), listed, gaps)


def people_rows(last_day: date, songs: Sequence[Song]) -> Iterator[Row]:
    """What PEOPLE play: an album for an evening, a day and night of a party, one track or one album of sounds all
    night, a lullaby every night beside other music, a couple in one room, and an album on the day that it comes out.
    """
    draw = np.random.default_rng(4)
    last = datetime.combine(last_day, time(), UTC)
    album, lengths = own("album", 12), draw.uniform(150, 300, 12)
    yield from _played("album", last + timedelta(hours=17), album * 8, np.tile(lengths, 8))
    yield from _played("party", last, draw.choice(songs, 800).tolist(), draw.uniform(60, 150, 800))
    yield from _played("sleeper", last, own("sleeper", 1) * 240, 120)
    for day in range(28):
        night = last - timedelta(days=day)
        yield from _played("sleeper_by_album", night, own("sleeper_by_album", 40) * 8, 60)
        yield from _played("lullaby", night + timedelta(hours=20), [songs[3]] * 20, 90)
        yield from _played("lullaby", night, draw.choice(songs, 5).tolist(), draw.uniform(150, 300, 5))
        listed, gaps = draw.choice(songs, 30, replace=False).tolist(), draw.uniform(120, 300, 30)
        for account in ("couple_1", "couple_2"):
            yield from _played(account, night, listed, gaps)
    for account in ("fan_1", "fan_2", "fan_3"):
        yield from _played(account, last, own("fan", 24) * 3, np.tile(lengths, 6))


def load_rows(warehouse_url: str, rows: Iterable[Row], path: Path) -> None:
    """Load the rows, written to a file of this path."""
    lines = (f"{user}\t{at:%Y-%m-%dT%H:%M:%SZ}\t\t{artist}\t\t{title}\n" for user, at, (artist, title) in rows)
    path.write_text("".join(lines))
    load_files(warehouse_url, LastFm1k(), [path])


def _played(account: str, start: datetime, songs: Sequence[Song], gaps: "float | np.ndarray") -> Iterator[Row]:
    """The songs one after the other: gaps: seconds from each start to the next."""
    times = np.cumsum(np.broadcast_to(gaps, len(songs))) - np.broadcast_to(gaps, len(songs))[0]
    for after, song in zip(times.tolist(), songs, strict=True):
        yield account, start + timedelta(seconds=after), (song[0], song[1])
