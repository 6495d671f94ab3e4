"""Whatever was loaded, in whatever order, an undone load leaves the raw tables as if it had never been."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from loading import empty_raw_tables, load, natural_state, tabular, write_lastfm

from assets.ingest.lastfm_1k import LISTENS_NAME, PROFILE_NAME, LastFm1k
from assets.ingest.mapping import Mapping
from assets.ingest.records import Source
from assets.ingest.tabular import Tabular
from assets.ingest.undo import undo_load
from warehouse.engine import create_engine
from warehouse.roles import Role

_MBIDS = [f"{digit * 8}-bd35-4e99-8624-24a6e15f133a" for digit in "abc"]
_COLUMNS = {
    "user_id": "u",
    "listened_at": "t",
    "track_id": "id",
    "title": "title",
    "artist_id": "by",
    "artist_name": "name",
    "recording_mbid": "mbid",
    "artist_mbid": "artist",
    "ms_played": "ms",
    "isrc": "isrc",
    "duration_ms": "length",
}
_HEADER = ",".join((*_COLUMNS.values(), "all"))
_GUESTS = ("Björk; Portishead", "Portishead;BJÖRK;Beth", "Beth; 1", "Beth;Beth", "Beth")
_USERS = ("ada", "bob", "cyd", "dan", "eve", "")
_NAMES = ("Björk", "BJÖRK", "Portishead", "portishead ", "")


def _row(rng: random.Random) -> str:
    """A listen of few users, tracks and times, whose names, ids and artists are told in several ways."""
    return ",".join(
        (
            rng.choice(_USERS),
            str(1400000000 + rng.randrange(6)),
            rng.choice(("1", "2", "3", "")),
            rng.choice(("Roads", "ROADS", "Glory Box", "")),
            rng.choice(("1", "2", "")),
            rng.choice(_NAMES),
            rng.choice((*_MBIDS, "", "", "")),
            rng.choice((_MBIDS[0], "", "")),
            rng.choice(("1000", "2000", "")),
            rng.choice(("GBAAA9400001", "GBAAA9400002", "")),
            rng.choice(("300000", "301000", "")),
            rng.choice((*_GUESTS, "", "", "")),
        )
    )


def _tabular_file(folder: Path, rng: random.Random, number: int) -> tuple[Source, Path]:
    path = folder / f"{number}.csv"
    rows = [_row(rng) for _ in range(rng.randrange(1, 40))]
    # A row that loads, so that the file is never refused.
    certain = f"zoe,{1400000000 + number % 3},1,,,,,,,,,"
    path.write_text("\n".join([_HEADER, certain, *rows]), encoding="utf-8")
    field = rng.choice(("artist_name", "artist_id", None))
    credits = {field: {"column": "all", "split": ";"}} if field else None
    return tabular(columns=_COLUMNS, source=rng.choice(("shop", "club")), credits=credits), path


def _lastfm_file(folder: Path, rng: random.Random, number: int) -> tuple[Source, Path]:
    drop = folder / str(number)
    drop.mkdir()
    times = [f"2014-05-13T16:53:2{second}Z" for second in range(6)]
    rows = [
        (rng.choice(_USERS), rng.choice(times), rng.choice((_MBIDS[0], "")), rng.choice(_NAMES), "", "Roads")
        for _ in range(20)
    ]
    write_lastfm(drop, ("zoe", times[number % 6], "", "Björk", "", "Roads"), *rows)
    return LastFm1k(), drop / LISTENS_NAME


def _profiles(rng: random.Random) -> str:
    users = [user for user in _USERS[:5] if rng.random() < 0.6]
    rows = [f"{user}\t{rng.choice('mf')}\t{rng.randrange(20, 23)}\tPeru\tAug 13, 2006" for user in users]
    return "\n".join(["#id\tgender\tage\tcountry\tregistered", *rows])


def _blocks_file(folder: Path, rng: random.Random, number: int) -> tuple[Source, Path]:
    """Blocks of what `_known` names, which stays known, and of what nothing names."""
    path = folder / f"{number}.csv"
    rows = [
        f"{rng.choice(('amy', 'ben', 'who'))},{rng.choice(('k', 'l', 'm', ''))}" for _ in range(rng.randrange(1, 9))
    ]
    path.write_text("\n".join(["u,id", f"amy,{rng.choice('kl')}", *rows]), encoding="utf-8")
    item = rng.choice(("track_id", "artist_id"))
    columns = {"user_id": "u", item: "id"}
    return Tabular(Mapping.model_validate({"kind": "blocks", "source": "base", "columns": columns}), "b.toml"), path


def _known(folder: Path) -> tuple[Source, Path]:
    path = folder / "known.csv"
    path.write_text("u,t,id,by\namy,1400000000,k,k\nben,1400000000,l,l\n", encoding="utf-8")
    columns = {"user_id": "u", "listened_at": "t", "track_id": "id", "artist_id": "by"}
    return tabular(columns=columns, source="base"), path


class _Load(NamedTuple):
    """A file that was loaded, or loaded again: its profiles may have changed."""

    file_id: int
    source: Source
    path: Path
    profiles: str

    def repeat(self, url: str) -> int:
        if isinstance(self.source, LastFm1k):
            self.path.with_name(PROFILE_NAME).write_text(self.profiles, encoding="utf-8")
        return load(url, self.source, self.path).file_id


def _undo(url: str, file_id: int) -> None:
    with create_engine(url, Role.LOADER).begin() as connection:
        undo_load(connection, file_id)


def _check_world(seed: int, folder: Path, url: str, rest: str) -> None:
    """Load files in a random order, undoing some on the way; then load only what is left into another warehouse."""
    rng = random.Random(seed)
    makers = (_lastfm_file, _tabular_file, _tabular_file, _lastfm_file, _tabular_file, _blocks_file, _blocks_file)
    files = [make(folder, rng, number) for number, make in enumerate(makers)]
    for each in (url, rest):
        load(each, *_known(folder))
    loads = list[_Load]()
    undo_now = (*(rng.random() < 0.2 for _ in range(9)), True)
    for undo in undo_now:
        if undo and loads:
            undone = rng.choice(loads).file_id
            _undo(url, undone)
            loads = [each for each in loads if each.file_id != undone]
        else:
            done = _Load(0, *rng.choice(files), _profiles(rng))
            loads.append(done._replace(file_id=done.repeat(url)))
    for each in loads:
        each.repeat(rest)
    found, expected = natural_state(url), natural_state(rest)
    for table, rows in expected.items():
        assert found[table] == rows, (seed, table)


@pytest.mark.slow
def test_undoing_leaves_what_loading_only_the_rest_gives(new_warehouse: Callable[[], str], tmp_path: Path) -> None:
    _check_worlds(range(5), tmp_path, new_warehouse)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_undoing_leaves_it_in_many_worlds(new_warehouse: Callable[[], str], tmp_path: Path) -> None:
    _check_worlds(range(100, 200), tmp_path, new_warehouse)


def _check_worlds(seeds: range, folder: Path, new_warehouse: Callable[[], str]) -> None:
    urls = new_warehouse(), new_warehouse()
    for seed in seeds:
        (folder / str(seed)).mkdir()
        _check_world(seed, folder / str(seed), *urls)
        for url in urls:
            empty_raw_tables(url)
