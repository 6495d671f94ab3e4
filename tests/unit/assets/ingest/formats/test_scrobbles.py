"""Scrobbles as tools fetch them from Last.fm and Libre.fm, and as players log them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from assets.ingest.formats.recognise import recognise
from tests.exports import listens, preview, write
from tests.unit.assets.ingest.formats.test_formats import MBIDS
from warehouse.errors import AudoticsError

PLAYED = [("ada", "2014-07-14 23:08:00", "Portishead", "Roads")]
COLUMNS = ("user_id", "listened_at", "artist_name", "title")
UTS = "1405379280"


def track(artist: dict[str, str], **more: Any) -> dict[str, Any]:
    """A track as Last.fm's API tells it."""
    return {"artist": artist, "name": "Roads", "mbid": "", "date": {"uts": UTS, "#text": "14 Jul 2014, 23:08"}, **more}


TRACKS = [
    {"artist": {"#text": "Air"}, "name": "Run", "mbid": "", "@attr": {"nowplaying": "true"}},
    track({"mbid": MBIDS[1], "#text": "Portishead"}),
]
PAGE = {"recenttracks": {"@attr": {"user": "ADA", "page": "1"}, "track": TRACKS}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.json", PAGE),
        ("pages.json", [PAGE, {"recenttracks": {"track": []}}]),
        ("pages.jsonl", f"{json.dumps(PAGE)}\n"),
        ("tracks.json", TRACKS),
        ("tracks of pages.json", [TRACKS]),
        ("tracks.jsonl", "".join(f"{json.dumps(each)}\n" for each in TRACKS)),
        ("extended.json", [TRACKS[0], track({"name": "Portishead", "url": "x"}, loved="0")]),
        ("scrobbles.csv", "Air,Talkie,Run,\nPortishead,Dummy,Roads,14 Jul 2014 23:08\n"),
        ("scrobbles.csv", '\ufeffPortishead,Dummy,Roads,"14 Jul 2014, 23:08"\n"Air","Talkie","Run",""\n'),
        ("exported_tracks.txt", f"{UTS}\tRoads\tPortishead\tDummy\t\t{MBIDS[1]}\t\n0\tRun\tAir\t\t\t\t\n"),
        ("recent.csv", f'"uts","utc_time","artist","track"\n"{UTS}","x","Portishead","Roads"\n"","","Air","Run"\n'),
    ],
)
def test_every_export_of_last_fm_gives_the_same_and_what_plays_now_is_left_out(
    tmp_path: Path, name: str, content: Any
) -> None:
    (found,) = preview(write(tmp_path / name, content), user="ada")
    assert (found.format, found.reasons) == ("lastfm", {"now_playing": 1})
    assert listens([found], *COLUMNS) == PLAYED


@pytest.mark.parametrize(
    "content",
    [
        f"Artist,Track,Album,Time\nPortishead,Roads,Dummy,{UTS}\n",
        f"+ACM- Data export from Libre.fm,,\n+ACM- host,,\nArtist,Track,Time\nPortishead,Roads,{UTS}\n",
        f"# a comment\nuserid,Artist,track,Album,time\n1,Portishead,Roads,,{UTS}\n",
    ],
)
def test_libre_fm_exports_have_several_headers_and_preambles(tmp_path: Path, content: str) -> None:
    (found,) = preview(write(tmp_path / "librefm.csv", content), user="ada")
    assert (found.format, found.reasons) == ("librefm", {})
    assert listens([found], *COLUMNS) == PLAYED


LOG = "#AUDIOSCROBBLER/1.1\n#TZ/{zone}\n#CLIENT/x\nPortishead\tDummy\tRoads\t3\t305\t{rating}\t1405379280\t\n"


@pytest.mark.parametrize(("encoding", "ends"), [("utf-16", "\r\n"), ("utf-8-sig", "\n"), ("utf-8", "\r")])
def test_a_beginning_is_recognised_as_it_is_read(tmp_path: Path, encoding: str, ends: str) -> None:
    texts = {
        "recent.csv": f"uts,utc_time,artist,track\n{UTS},x,Portishead,Roads\n",
        ".scrobbler.log": LOG.format(zone="UTC", rating="L"),
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_bytes(text.replace("\n", ends).encode(encoding))
        assert listens(preview(path, user="ada"), *COLUMNS) == PLAYED


def test_a_log_of_local_times_needs_a_zone_and_one_in_utc_takes_none(tmp_path: Path) -> None:
    local = write(tmp_path / "ada" / ".scrobbler.log", LOG.format(zone="UNKNOWN", rating="L"))
    with pytest.raises(
        AudoticsError, match=r"a \.scrobbler\.log 1\.1 of local times .*say it with --zone, such as --zone E"
    ):
        recognise(str(local), user="ada")
    (found,) = preview(local, user="ada", zone="Europe/Berlin")
    # Read in another zone it is another file.
    assert found.format == "scrobbler-log/Europe/Berlin"
    assert listens([found], *COLUMNS) == [("ada", "2014-07-14 21:08:00", "Portishead", "Roads")]
    assert listens(preview(local, user="ada", zone="UTC"), *COLUMNS) == PLAYED
    for zone in ("Berlin", "../x", ""):
        with pytest.raises(AudoticsError, match=f"--zone '{zone}' is not an IANA zone such as Europe/Berlin"):
            recognise(str(local), user="ada", zone=zone)
    utc = write(tmp_path / "utc.scrobbler.log", LOG.format(zone="UTC", rating="L"))
    assert listens(preview(utc, user="ada"), *COLUMNS) == PLAYED
    assert listens(preview(utc, user="ada", zone="Europe/Berlin"), *COLUMNS) == PLAYED


def test_a_log_of_the_first_version_has_no_column_of_mbids_and_untagged_is_nobody(tmp_path: Path) -> None:
    rows = "".join(f"{artist}\tDummy\tRoads\t3\t305\tL\t{UTS}\n" for artist in ("Portishead", "<Untagged>"))
    path = write(tmp_path / "scrobbler.log", f"#AUDIOSCROBBLER/1.0\n#TZ/UTC\n{rows}")
    (found,) = preview(path, user="ada")
    assert listens([found], *COLUMNS) == PLAYED
    assert found.reasons == {"empty_artist_name": 1}


def test_a_log_that_its_player_hides_is_found_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "ada" / ".scrobbler.log", LOG.format(zone="UTC", rating="S"))
    write(tmp_path / "ada" / ".part.csv", "x")
    assert listens(preview(tmp_path / "ada"), *COLUMNS, "skipped") == [(*PLAYED[0], True)]
    packed = tmp_path / "bob" / "player" / ".scrobbler.log.gz"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(gzip.compress(LOG.format(zone="UTC", rating="L").encode()))
    assert listens(preview(tmp_path / "bob", user="ada"), *COLUMNS) == PLAYED


def test_the_events_of_30music_are_read_and_its_sessions_passed_over(tmp_path: Path) -> None:
    links = '{"subjects":[{"type":"user","id":7}],"objects":[{"type":"track","id":9}]}'
    lines = [
        f'event.play\t1\t{UTS}\t{{"playtime":200}}\t{links}',
        f'event.play\t2\t{UTS}\t{{"playtime":null}} {links}',
        f"event.love\t3\t{UTS}\t{{}}\t{links}",
        f'event.play\t4\t-1\t{{"playtime":1}}\t{links}',
        'event.play\t5\tsoon\t{"playtime":1}\t{}',
    ]
    write(tmp_path / "relations" / "events.idomaar", "\n".join(lines))
    write(tmp_path / "relations" / "sessions.idomaar", f'event.session\t1\t{UTS}\t{{"numtracks":1}} {links}')
    write(tmp_path / "entities" / "tracks.idomaar", 'track\t0\t-1\t{"duration":1}\t{"artists":[]}')
    assert recognise(str(tmp_path)).passed_over == ("entities/tracks.idomaar", "relations/sessions.idomaar")
    (found,) = preview(tmp_path)
    columns = ("line", "user_id", "listened_at", "track_source_id", "ms_played")
    assert listens([found], *columns) == [
        (1, "7", "2014-07-14 23:08:00", "9", 200_000),
        (2, "7", "2014-07-14 23:08:00", "9", None),
    ]
    assert found.reasons == {"before_2000": 1, "malformed_json": 1, "not_a_play": 1}
    named = {"entities/tracks": "is entities in .*load events", "relations/sessions": "is sessions in .*load that file"}
    for path, said in named.items():
        for format_name in (None, "idomaar"):
            with pytest.raises(AudoticsError, match=rf"{path}\.idomaar {said}"):
                recognise(str(tmp_path / f"{path}.idomaar"), format_name)
