"""Writes a sample world: listening file, profile file, and what was planted in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.sample_world.catalogue import Catalogue, build_catalogue
from assets.ingest.sample_world.config import SECONDS_PER_DAY, SampleWorld, SampleWorldError
from assets.ingest.sample_world.defects import planned, spoil
from assets.ingest.sample_world.listeners import Listeners, build_listeners, choose_tastes, profile_lines
from assets.ingest.sample_world.listening import choose_tracks
from assets.ingest.sample_world.timing import schedule

LISTENS_FILE = "userid-timestamp-artid-artname-traid-traname.tsv"
PROFILE_FILE = "userid-profile.tsv"
PLANTED_FILE = "planted.json"
PROFILE_HEADER = b"#id\tgender\tage\tcountry\tregistered\n"
# Whole users are put together up to this many listens; it bounds memory and is part of what a seed means.
BLOCK_LISTENS = 250_000

Progress = Callable[[int, int], None]


class Planted(TypedDict):
    """What a reader of the listening file must find."""

    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_duplicate: int
    rejected_by_reason: dict[str, int]


@dataclass(frozen=True)
class _Words:
    """The pieces that lines are joined from."""

    days: pa.Array  # "2026-03-01T" for each day of the period
    seconds: pa.Array  # "21:04:59Z\t" for each second of a day
    tracks: pa.Array  # artist MBID, artist, track MBID, track, line feed, for each track


def generate(folder: Path, config: SampleWorld, progress: Progress | None = None) -> Planted:
    """Writes a world into `folder` (made if missing) and returns what was planted (also in planted.json).

    Three files in the layout of the Last.fm 1K data set (Celma 2010): listens, newest first within each user,
    tab separated, without header and quoting; profiles; planted.json. Each appears under its name only when
    whole, planted.json last. `progress` is called with clean listens written and their total. Memory holds
    the catalogue and one block of listens, however many users and listens there are.

    Raises SampleWorldError for a world that cannot exist or a folder that cannot be written.
    """
    names = (LISTENS_FILE, PROFILE_FILE, PLANTED_FILE)
    partial = {name: folder / f".{name}.partial" for name in names}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with partial[LISTENS_FILE].open("wb") as listens, partial[PROFILE_FILE].open("wb") as profile:
                planted = _write(listens, profile, config, progress)
            partial[PLANTED_FILE].write_text(json.dumps(planted, indent=2) + "\n", encoding="utf-8")
            # Without planted.json the folder is visibly unfinished, should this stop between two renames.
            (folder / PLANTED_FILE).unlink(missing_ok=True)
            for name in names:
                partial[name].replace(folder / name)
        finally:
            for path in partial.values():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise SampleWorldError(
            f"sample world: cannot write {error.filename or folder}: {error.strerror}; "
            "give a folder that can be written, with enough room"
        ) from error
    return planted


def _write(listens_file: BinaryIO, profile_file: BinaryIO, config: SampleWorld, progress: Progress | None) -> Planted:
    listeners = build_listeners(config)
    catalogue = build_catalogue(config)
    words = _spell_out(catalogue, config)
    rejected, duplicates = planned(config)
    blocks = _blocks(listeners.listens)
    size = np.array([listeners.listens[first:last].sum() for first, last in blocks])
    rng = np.random.default_rng([config.seed, 3])
    rejected_in = {reason: rng.multinomial(count, size / config.listens) for reason, count in rejected.items()}
    duplicates_in = rng.multinomial(duplicates, size / config.listens)
    profile_file.write(PROFILE_HEADER)
    for block, (first, last) in enumerate(blocks):
        rng = np.random.default_rng([config.seed, 4, block])
        some = listeners.between(first, last)
        profile_file.write(profile_lines(first, some, config, rng).encode())
        lines = _clean_lines(first, some, catalogue, words, config, rng)
        turns = {reason: range(int(of[:block].sum()), int(of[: block + 1].sum())) for reason, of in rejected_in.items()}
        added = _plant(lines, turns, int(duplicates_in[block]), config, rng)
        listens_file.writelines(_interleave(lines, added))
        if progress is not None:
            progress(int(size[: block + 1].sum()), config.listens)
    total = sum(rejected.values())
    return Planted(
        rows_read=config.listens + duplicates + total,
        rows_loaded=config.listens,
        rows_rejected=total,
        rows_duplicate=duplicates,
        rejected_by_reason=rejected,
    )


def _blocks(listens: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of users whose listens are generated together."""
    block = np.maximum(np.cumsum(listens) - 1, 0) // BLOCK_LISTENS
    edges = np.concatenate([[0], np.flatnonzero(np.diff(block)) + 1, [len(listens)]])
    return [(int(first), int(last)) for first, last in pairwise(edges)]


def _spell_out(catalogue: Catalogue, config: SampleWorld) -> _Words:
    tracks = [
        f"{catalogue.artist_mbids[artist]}\t{catalogue.artist_names[artist]}\t{mbid}\t{title}\n".encode()
        for artist, mbid, title in zip(
            catalogue.track_artist.tolist(), catalogue.track_mbids, catalogue.titles, strict=True
        )
    ]
    days = (np.datetime64(config.start) + np.arange(config.days)).astype(str)
    clock = [divmod(second, 60) for second in range(SECONDS_PER_DAY)]
    return _Words(
        days=pa.array([f"{day}T".encode() for day in days], pa.binary()),
        seconds=pa.array([f"{m // 60:02d}:{m % 60:02d}:{s:02d}Z\t".encode() for m, s in clock], pa.binary()),
        tracks=pa.array(tracks, pa.binary()),
    )


def _clean_lines(
    first_user: int,
    listeners: Listeners,
    catalogue: Catalogue,
    words: _Words,
    config: SampleWorld,
    rng: np.random.Generator,
) -> pa.BinaryArray:
    """The lines of all clean listens of a block of users, users ascending, newest listen first."""
    timetable = schedule(listeners, config, rng)
    tastes = choose_tastes(len(listeners), catalogue, rng)
    track = choose_tracks(timetable, listeners, tastes, catalogue, config, rng)
    ends = np.cumsum(listeners.listens)[timetable.user]
    newest_first = 2 * ends - listeners.listens[timetable.user] - 1 - np.arange(len(track))
    user = timetable.user[newest_first]
    day, second = np.divmod(timetable.second[newest_first], SECONDS_PER_DAY)
    ids = [f"user_{first_user + i + 1:06d}\t".encode() for i in range(len(listeners))]
    return pc.binary_join_element_wise(
        pa.array(ids, pa.binary()).take(pa.array(user)),
        words.days.take(pa.array(day)),
        words.seconds.take(pa.array(second)),
        words.tracks.take(pa.array(track[newest_first])),
        pa.scalar(b"", pa.binary()),
    )


def _plant(
    lines: pa.BinaryArray,
    turns: dict[str, range],
    duplicates: int,
    config: SampleWorld,
    rng: np.random.Generator,
) -> list[tuple[int, bytes]]:
    """Lines to add, each with the row it follows: spoiled ones by their originals, exact copies anywhere."""
    added: list[tuple[int, bytes]] = []
    for reason, of_reason in turns.items():
        rows = rng.integers(0, len(lines), len(of_reason))
        originals = lines.take(pa.array(rows)).to_pylist()
        for row, turn, line in zip(rows.tolist(), of_reason, originals, strict=True):
            added.append((row, spoil(reason, line, turn, config.until)))
    copied = lines.take(pa.array(rng.integers(0, len(lines), duplicates))).to_pylist()
    added += zip(rng.integers(0, len(lines), duplicates).tolist(), copied, strict=True)
    return sorted(added)


def _interleave(lines: pa.BinaryArray, added: list[tuple[int, bytes]]) -> Iterator[memoryview | bytes]:
    """The bytes of all lines in order, as Arrow holds them already, with the added ones in place."""
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    content = memoryview(lines.buffers()[2])
    written = int(offsets[0])
    for row, line in added:
        yield content[written : offsets[row + 1]]
        yield line
        written = int(offsets[row + 1])
    yield content[written : offsets[-1]]
