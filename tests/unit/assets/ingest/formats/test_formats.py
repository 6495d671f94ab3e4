"""What services hand out: recognised, read as it means, and what is not a listen of music counted."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.ingest.formats.recognise import NAMES, recognise, recognise_each
from tests.exports import listens, preview, write
from warehouse.errors import AudoticsError

MBIDS = ["c7d0bf6e-b2aa-4ffa-bded-2448415b39b0", "a96d82a0-cdca-40bf-b4c8-3d7ec178d85b"]


def played(title: str | None, **more: Any) -> dict[str, Any]:
    """A row of Spotify's extended history."""
    return {
        "ts": "2023-05-01T08:04:00Z", "username": "ada", "platform": "android", "ms_played": 60_000,
        "conn_country": "DE", "ip_addr": "203.0.113.7", "user_agent_decrypted": "agent",
        "master_metadata_track_name": title, "master_metadata_album_artist_name": title and "Portishead",
        "spotify_track_uri": title and f"spotify:track:{title}", "episode_name": None, "skipped": None,
        "incognito_mode": False, **more,
    }  # fmt: skip


OTHER_ROWS = [
    played(None, episode_name="An episode"),
    played(None, episode_name=None, spotify_episode_uri="spotify:episode:1"),
    played(None, audiobook_title="A book"),
    played("Secret", incognito_mode=True),
    played(None),
]


def test_a_spotify_history_starts_before_it_ends_and_leaves_out_what_is_not_music(tmp_path: Path) -> None:
    path = write(tmp_path / "Streaming_History_Audio_2023_0.json", [played("Roads", skipped=True), *OTHER_ROWS])
    (found,) = preview(path)
    assert listens([found], "user_id", "listened_at", "artist_name", "track_source_id", "ms_played", "skipped") == [
        ("ada", "2023-05-01 08:03:00", "Portishead", "Roads", 60_000, True)
    ]
    assert found.reasons == {"empty_artist_name": 1, "podcast": 2, "audiobook": 1, "incognito": 1}
    (reject,) = found.first_rejects
    assert "203.0.113.7" not in reject["fields"] and "agent" not in reject["fields"]


def test_a_spotify_zip_holds_both_generations_and_account_data(tmp_path: Path) -> None:
    path = tmp_path / "my_spotify_data.zip"
    account = {
        "endTime": "2021-03-04 05:06",
        "artistName": "Air",
        "trackName": "La femme d'argent",
        "msPlayed": 120_000,
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MyData/endsong_0.json", json.dumps([played("Roads")]))
        archive.writestr("MyData/StreamingHistory_music_0.json", json.dumps([account]))
        archive.writestr("MyData/StreamingHistory_podcast_0.json", json.dumps([account]))
        archive.writestr("MyData/Userdata.json", "{}")
    assert recognise(str(path)).passed_over == ("MyData/StreamingHistory_podcast_0.json", "MyData/Userdata.json")
    assert listens(preview(path, user="bob"), "user_id", "listened_at", "title") == [
        ("bob", "2021-03-04 05:04:00", "La femme d'argent"),
        ("bob", "2023-05-01 08:03:00", "Roads"),
    ]


def test_account_data_is_of_a_source_of_its_own(tmp_path: Path) -> None:
    account = {"endTime": "2021-03-04 05:06", "artistName": "Air", "trackName": "Run", "msPlayed": 120_000}
    for name, row in (("StreamingHistory0.json", account), ("endsong_0.json", played("Roads"))):
        write(tmp_path / "ada" / name, [row])
    found = recognise(str(tmp_path / "ada"))
    sources = {file.name: found.source.for_file(file).rules.source for file in found.source.find(found.listing)}
    assert sources == {"StreamingHistory0.json": "spotify-account", "endsong_0.json": "spotify"}


def test_rows_that_name_nobody_are_of_the_folder_that_was_given_or_of_nobody(tmp_path: Path) -> None:
    path = write(tmp_path / "cleo" / "endsong_0.json", [played("Roads", username=""), played("Numb")])
    assert listens(preview(path.parent), "user_id") == [("cleo",), ("ada",)]
    (alone,) = preview(path)
    assert alone.reasons == {"empty_user": 1}
    write(tmp_path / "bob" / "endsong_0.json", [played("Air", username="")])
    with pytest.raises(AssertionError, match="say whose they are with --user NAME"):
        preview(tmp_path)


def test_a_history_without_any_of_the_names_of_a_column_is_refused(tmp_path: Path) -> None:
    row = {name: value for name, value in played("Roads").items() if name != "ms_played"}
    path = write(tmp_path / "endsong_0.json", [row, row | {"note": '"ms_played": 1'}])
    with pytest.raises(AssertionError, match=r"lacks 'ms_played' and 'msPlayed'"):
        preview(path, "spotify")


def test_the_folder_one_is_in_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "cleo" / "endsong_0.json", [played("Roads", username="")])
    monkeypatch.chdir(tmp_path / "cleo")
    assert listens(preview(Path()), "user_id") == [("cleo",)]


@pytest.mark.parametrize("name", ["MyData", "Takeout"])
def test_the_name_that_a_service_gives_to_its_folders_is_nobodys(tmp_path: Path, name: str) -> None:
    write(tmp_path / name / "endsong_0.json", [played("Roads", username="")])
    with pytest.raises(AssertionError, match="say whose they are with --user NAME"):
        preview(tmp_path / name)
    assert listens(preview(tmp_path / name, user="ada"), "user_id") == [("ada",)]


def test_a_format_of_several_forms_is_not_guessed_at(tmp_path: Path) -> None:
    path = write(tmp_path / ".scrobbler.log", "Air\tMoon Safari\tRun\t1\t181\tL\t1735700000\t\n")
    with pytest.raises(AudoticsError, match=r"is of no form of scrobbler-log that is known \(a \.scrobbler\.log"):
        recognise(str(path), "scrobbler-log", "ada")


LISTEN = {
    "listened_at": 1735700000,
    "track_metadata": {
        "artist_name": "Air", "track_name": "Run",
        "mbid_mapping": {"recording_mbid": MBIDS[0], "artist_mbids": MBIDS[1:]},
    },
}  # fmt: skip


def test_listenbrainz_hands_out_lines_by_month_and_takes_documents(tmp_path: Path) -> None:
    lines = f"{json.dumps(LISTEN)}\n{json.dumps(LISTEN | {'listened_at': None})}\n"
    write(tmp_path / "dan" / "listens" / "2025" / "1.jsonl", lines)
    write(tmp_path / "dan" / "feedback.jsonl", '{"recording_mbid": "x", "score": 1}\n')
    write(tmp_path / "dan" / "user.json", {"user_name": "dan"})
    assert recognise(str(tmp_path / "dan")).passed_over == ("feedback.jsonl", "user.json")
    (found,) = preview(tmp_path / "dan")
    assert listens([found], "user_id", "listened_at", "title") == [("dan", "2025-01-01 02:53:20", "Run")]
    assert found.reasons == {"bad_timestamp": 1}
    early = [LISTEN | {"listened_at": 1033430400 + second} for second in (-1, 0)]
    (found,) = preview(write(tmp_path / "early.jsonl", "".join(f"{json.dumps(each)}\n" for each in early)), user="eve")
    assert listens([found], "listened_at") == [("2002-10-01 00:00:00",)]
    assert found.reasons == {"before_the_service": 1}
    document = write(tmp_path / "submit.json", {"listen_type": "import", "payload": [LISTEN]})
    assert listens(preview(document, user="eve"), "user_id", "title") == [("eve", "Run")]


def test_a_listenbrainz_dump_is_a_folder_of_parquet_files(tmp_path: Path) -> None:
    columns = {
        "listened_at": pa.array([1735700000 * 10**9], pa.timestamp("ns")), "user_id": [7], "recording_msid": ["x"],
        "artist_name": ["Air"], "recording_name": ["Run"], "recording_mbid": [MBIDS[0]],
        "artist_credit_mbids": [MBIDS[1:]],
    }  # fmt: skip
    (tmp_path / "dump").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "dump" / "0.parquet")
    write(tmp_path / "dump" / "SCHEMA_SEQUENCE", "1")
    assert listens(preview(tmp_path / "dump"), "user_id", "listened_at", "title") == [
        ("7", "2025-01-01 02:53:20", "Run")
    ]


_PANO = {"timeMs": 1735700000000, "artist": "Air", "track": "Run", "event": "scrobble"}
_MALOJA = {"time": 1735700000, "track": {"artists": ["Air", "Beck"], "title": "Run"}}
SCROBBLES = {
    "lastfm": (
        "recenttracks.csv",
        f'uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"1735700000",x,Air,{MBIDS[1]},,,Run,\n',
    ),
    "maloja": ("export.json", {"maloja": {"export_time": 1}, "scrobbles": [_MALOJA]}),
    "panoscrobbler": ("pano.jsonl", f"{json.dumps(_PANO)}\n{json.dumps(_PANO | {'event': 'love'})}\n"),
    "scrobbler-log": (
        ".scrobbler.log",
        "#AUDIOSCROBBLER/1.1\n#TZ/UTC\nAir\tTalkie\tRun\t1\t181\tS\t1735700000\t\n",
    ),
}


@pytest.mark.parametrize("name", SCROBBLES)
def test_what_scrobblers_write_is_recognised_and_needs_a_user(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / SCROBBLES[name][0], SCROBBLES[name][1])
    (found,) = preview(path, user="fay")
    assert found.format == name
    assert listens([found], "user_id", "listened_at", "artist_name", "title") == [
        ("fay", "2025-01-01 02:53:20", "Air", "Run")
    ]
    assert found.rows_left_out == (1 if name == "panoscrobbler" else 0)
    assert found.first_listens[0]["skipped"] is (True if name == "scrobbler-log" else None)
    with pytest.raises(AudoticsError, match=r"does not say whose listens it holds; add --user NAME"):
        recognise(str(path))
    assert preview(path, name, "fay") == [found]


def test_a_zone_is_that_of_the_files_that_need_one_and_refused_where_none_does(tmp_path: Path) -> None:
    maloja = str(write(tmp_path / "m.json", SCROBBLES["maloja"][1]))
    local = str(write(tmp_path / ".scrobbler.log", SCROBBLES["scrobbler-log"][1].replace("#TZ/UTC", "#TZ/UNKNOWN")))
    refused: list[AudoticsError] = []
    found = recognise_each([maloja, local], None, "ada", "Asia/Tokyo", refused)
    assert [each.source.format for _, each in found] == ["maloja", "scrobbler-log/Asia/Tokyo"]
    for paths, named in (([maloja], "a Maloja export"), ([maloja, maloja], "any of the 2 paths")):
        with pytest.raises(AudoticsError, match=f"--zone has no effect on {named}: they say when"):
            next(recognise_each(paths, None, "ada", "Asia/Tokyo", refused))
    assert refused == []


def test_what_is_of_no_known_format_or_of_two_is_said_with_the_ways_on(tmp_path: Path) -> None:
    unknown = write(tmp_path / "plays.csv", "who,what\nada,Roads\n")
    with pytest.raises(AudoticsError, match=r"plays\.csv is not of a format that is known; .*--format .*--mapping"):
        recognise(str(unknown))
    with pytest.raises(AudoticsError, match=r"there is no format 'mp3'; the formats are lastfm-1k, spotify"):
        recognise(str(unknown), "mp3")
    assert "maloja" in NAMES
    write(tmp_path / "both" / "endsong_0.json", [played("Roads")])
    write(tmp_path / "both" / "1.jsonl", json.dumps(LISTEN))
    with pytest.raises(AudoticsError, match=r"looks like a streaming history of Spotify and an export or a dump of L"):
        recognise(str(tmp_path / "both"))
