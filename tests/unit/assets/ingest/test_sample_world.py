"""The sample world as its files show it, read back with plain Python."""

import dataclasses
import hashlib
import json
import re
from collections import Counter
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path

import pytest

from assets.ingest.sample_world import (
    LISTENS_FILE,
    PLANTED_FILE,
    PROFILE_FILE,
    SampleWorld,
    SampleWorldError,
    generate,
)
from assets.ingest.sample_world.catalogue import build_catalogue, name_key
from assets.ingest.sample_world.defects import REJECTED_PER_400K, planned, spoil

UNTIL = date(2026, 11, 22)
DAY = 86_400
SMALL = SampleWorld(users=120, tracks=1_000, listens=20_000, days=90, until=UNTIL)
DEFAULT = SampleWorld(until=UNTIL)
TINY = SampleWorld(users=3, tracks=200, listens=40, days=28, until=UNTIL)
MBID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def epoch(text: bytes) -> int | None:
    if TIME.fullmatch(text) is None:
        return None
    try:
        return int(datetime.fromisoformat(text.decode()).timestamp())
    except ValueError:
        return None


def fault(line: bytes, until: date) -> str | None:
    """Why a reader must reject a line, None for a good one."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    if b"\x00" in line:
        return "nul_byte"
    fields = line.split(b"\t")
    if len(fields) != 6:
        return "wrong_column_count"
    user, time, artist_mbid, artist, track_mbid, track = fields
    if not user:
        return "empty_user"
    at = epoch(time)
    if at is None:
        return "bad_timestamp"
    if at < datetime(2000, 1, 1, tzinfo=UTC).timestamp():
        return "before_2000"
    if at >= datetime(until.year + 2, until.month, until.day, tzinfo=UTC).timestamp():
        return "in_the_future"
    if not artist.strip() or not track.strip():
        return "empty_track_name" if artist.strip() else "empty_artist_name"
    if max(len(artist.decode()), len(track.decode())) > 1_000:
        return "too_long"
    assert all(not mbid or MBID.fullmatch(mbid) for mbid in (artist_mbid, track_mbid))
    return None


def lines_of(folder: Path) -> list[bytes]:
    content = (folder / LISTENS_FILE).read_bytes()
    assert content.endswith(b"\n")
    return content[:-1].split(b"\n")


def fingerprint(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(TINY, id="tiny"),
        pytest.param(SMALL, id="small"),
        pytest.param(DEFAULT, id="default", marks=pytest.mark.slow),
    ],
)
def test_what_was_planted_is_what_a_plain_reader_finds(tmp_path: Path, config: SampleWorld) -> None:
    planted = generate(tmp_path, config)
    assert json.loads((tmp_path / PLANTED_FILE).read_text()) == planted
    lines = lines_of(tmp_path)
    faults = Counter(fault(line, config.until) for line in lines)
    good = [line for line in lines if fault(line, config.until) is None]
    assert planted["rows_read"] == len(lines)
    assert planted["rows_loaded"] == len(set(good)) == config.listens
    assert planted["rows_duplicate"] == len(good) - len(set(good)) > 0
    assert planted["rows_rejected"] == len(lines) - len(good)
    del faults[None]
    assert planted["rejected_by_reason"] == faults
    assert len(faults) == 10 and min(faults.values()) > 0


def test_a_spoiled_line_has_its_fault_in_every_variant_and_language() -> None:
    catalogue = build_catalogue(DEFAULT)
    for reason, turn in product(REJECTED_PER_400K, range(240)):
        track = turn * 40
        artist = catalogue.track_artist[track]
        names = f"{catalogue.artist_mbids[artist]}\t{catalogue.artist_names[artist]}"
        names += f"\t{catalogue.track_mbids[track]}\t{catalogue.titles[track]}"
        line = f"user_000001\t2026-05-04T23:08:57Z\t{names}\n".encode()
        assert fault(line.rstrip(b"\n"), UNTIL) is None
        assert fault(spoil(reason, line, turn, UNTIL).rstrip(b"\n"), UNTIL) == reason


def test_the_default_world_has_the_promised_defects() -> None:
    rejected, duplicates = planned(DEFAULT)
    assert (sum(rejected.values()), duplicates) == (980, 1_200)
    assert rejected["wrong_column_count"] == 300


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, config in {"a": SMALL, "b": SMALL, "c": dataclasses.replace(SMALL, seed=8)}.items():
        generate(tmp_path / name, config)
    assert set(fingerprint(tmp_path / "a")) == {LISTENS_FILE, PROFILE_FILE, PLANTED_FILE}
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert fingerprint(tmp_path / "a")[LISTENS_FILE] != fingerprint(tmp_path / "c")[LISTENS_FILE]


def test_an_interrupted_run_leaves_the_earlier_world_untouched(tmp_path: Path) -> None:
    generate(tmp_path, TINY)
    before = fingerprint(tmp_path)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, SMALL, interrupt)
    assert fingerprint(tmp_path) == before


def test_progress_counts_up_to_all_listens(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(tmp_path, SampleWorld(listens=300_000, until=UNTIL), lambda done, total: seen.append((done, total)))
    assert len(seen) == 2 and seen[0][0] < seen[1][0]
    assert seen[-1] == (300_000, 300_000)


def test_a_world_that_cannot_exist_is_refused_with_the_option_to_change(tmp_path: Path) -> None:
    with pytest.raises(SampleWorldError, match="raise users or days, or lower listens"):
        generate(tmp_path / "full", SampleWorld(users=2, listens=90_000, until=UNTIL))
    with pytest.raises(SampleWorldError, match="tracks is 5, give at least 200"):
        SampleWorld(tracks=5, until=UNTIL)
    (tmp_path / "file").write_text("")
    with pytest.raises(SampleWorldError, match=r"cannot write .*file"):
        generate(tmp_path / "file", TINY)


def test_a_crowded_user_still_gets_every_listen(tmp_path: Path) -> None:
    config = SampleWorld(users=2, tracks=200, listens=2_500, days=28, until=UNTIL)
    assert generate(tmp_path, config)["rows_loaded"] == 2_500
    good = [line.split(b"\t") for line in lines_of(tmp_path) if fault(line, UNTIL) is None]
    assert len({(user, time) for user, time, *_ in good}) == 2_500
    assert min(time for _, time, *_ in good) >= b"2026-10-25" and max(time for _, time, *_ in good) < b"2026-11-22"


def test_names_identify_artists_and_tracks_whatever_their_spelling() -> None:
    for tracks in (10_000, 60_000):
        catalogue = build_catalogue(SampleWorld(tracks=tracks, until=UNTIL))
        assert len({name_key(name) for name in catalogue.artist_names}) == len(catalogue.artist_names)
        pairs = zip(catalogue.track_artist.tolist(), map(name_key, catalogue.titles), strict=True)
        assert len(set(pairs)) == tracks
        for mbids in (catalogue.artist_mbids, catalogue.track_mbids):
            given = [mbid for mbid in mbids if mbid]
            assert len(set(given)) == len(given)
            assert 0.93 < len(given) / len(mbids) < 0.97


def test_profiles_name_every_user_and_miss_some_facts(tmp_path: Path) -> None:
    generate(tmp_path, SampleWorld(listens=2_000, until=UNTIL))
    header, *rows = (tmp_path / PROFILE_FILE).read_text(encoding="utf-8").splitlines()
    assert header == "#id\tgender\tage\tcountry\tregistered"
    columns = list(zip(*(row.split("\t") for row in rows), strict=True))
    assert columns[0] == tuple(f"user_{number:06d}" for number in range(1, 2_001))
    for values in columns[1:]:
        assert 0 < values.count("") < 1_000
    for registered in filter(None, columns[4]):
        assert datetime.strptime(registered, "%b %d, %Y").date() < UNTIL
