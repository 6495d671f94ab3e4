"""YouTube Music, Apple Music and Deezer: what is music, when it was played, and what is kept of nobody."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.ingest.find import find_files
from assets.ingest.formats.recognise import recognise
from assets.ingest.parse import Parser
from tests.exports import listens, preview, write
from tests.workbooks import text_cells, write_workbook
from warehouse.errors import AudoticsError


def watched(title: str, artist: str | None = "Portishead - Topic", **more: Any) -> dict[str, Any]:
    """A row of a watch history."""
    subtitles = {"subtitles": [{"name": artist, "url": "https://www.youtube.com/channel/c"}]} if artist else {}
    return {
        "header": "YouTube Music", "title": title, "titleUrl": f"https://music.youtube.com/watch?v={title[-5:]}",
        **subtitles, "time": "2023-05-01T08:04:00.123Z", "products": ["YouTube"],
        "activityControls": ["YouTube watch history"], **more,
    }  # fmt: skip


GONE = watched("Watched https://www.youtube.com/watch?v=gone", None)
HISTORY = [watched("Watched Roads"), watched("A film", "A channel", header="YouTube"), GONE]
SEARCHES = [{**watched("Searched for roads"), "titleUrl": "https://www.youtube.com/results?search_query=roads"}]


def test_a_takeout_in_any_language_gives_what_was_played_in_youtube_music(tmp_path: Path) -> None:
    path = tmp_path / "takeout.zip"
    folder = "Takeout/YouTube und YouTube Music/Verlauf"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("Wiedergabeverlauf", HISTORY), ("Suchverlauf", [*SEARCHES, watched("An ad")])):
            archive.write(write(tmp_path / f"{name}.json", content), f"{folder}/{name}.json")
        archive.writestr("Takeout/archive_browser.html", "<html></html>")
    assert recognise(str(path), user="ada").passed_over == (
        f"{folder}/Suchverlauf.json", "Takeout/archive_browser.html"
    )  # fmt: skip
    (found,) = preview(path, user="ada")
    assert listens([found], "user_id", "listened_at", "artist_name", "title", "track_source_id") == [
        ("ada", "2023-05-01 08:04:00", "Portishead", "Roads", "Roads")
    ]
    assert found.left_out_by_rule == {"not_youtube_music": 1, "video_is_gone": 1}
    with pytest.raises(AudoticsError, match="does not say whose listens it holds; add --user NAME"):
        recognise(str(path))


def test_a_search_among_what_was_watched_is_left_out_and_hides_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "watch-history.json", [*SEARCHES, *HISTORY])
    (found,) = preview(path, user="ada")
    assert (found.listens, found.left_out_by_rule["search"]) == (1, 1)


@pytest.mark.parametrize("more", ["", "&t=42s", "&list=RDAMVM1&index=2"])
@pytest.mark.parametrize("before", ["v=", "list=PL1&v="])
def test_a_video_is_known_by_its_id_alone(tmp_path: Path, before: str, more: str) -> None:
    url = f"https://music.youtube.com/watch?{before}aB3_-x{more}"
    path = write(tmp_path / "history.json", [watched("Watched Roads", titleUrl=url)])
    assert listens(preview(path, user="ada"), "track_source_id") == [("aB3_-x",)]


@pytest.mark.parametrize("title", ["Watched Roads", "Vous avez regardé Roads", "Has visto Roads", "Roads angesehen"])
def test_what_stands_around_a_title_in_a_language_is_taken_off(tmp_path: Path, title: str) -> None:
    path = write(tmp_path / "history.json", [watched(title)])
    assert listens(preview(path, user="ada"), "title") == [("Roads",)]


def test_a_history_as_a_web_page_is_refused_with_how_to_get_it_as_json(tmp_path: Path) -> None:
    page = '<div class="outer-cell">Watched <a href="https://www.youtube.com/watch?v=x">Roads</a></div>'
    for path in (write(tmp_path / "watch-history.html", page), tmp_path):
        with pytest.raises(AudoticsError, match=r"watch-history\.html is a history of Google .*ask Takeout .* as JSON"):
            recognise(str(path), user="ada")


PLAY = {
    "Song Name": "Roads", "Artist Name": "Portishead", "Event Type": "PLAY_END", "Media Type": "AUDIO",
    "Event Start Timestamp": "2023-05-01T08:03:00.123Z", "Event End Timestamp": "2023-05-01T08:04:00Z",
    "Play Duration Milliseconds": "60000", "Media Duration In Milliseconds": "305000", "UTC Offset In Seconds": "7200",
    "End Reason Type": "NATURAL_END_OF_TRACK", "IP Address": "203.0.113.7",
}  # fmt: skip


def activity(folder: Path, *rows: dict[str, str]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return write(folder / "ada" / "Apple Music Play Activity.csv", text.getvalue())


def test_a_play_of_apple_music_is_the_row_of_its_end(tmp_path: Path) -> None:
    rows = [
        PLAY,
        PLAY | {"End Reason Type": "TRACK_SKIPPED_FORWARDS"},
        PLAY | {"Event Type": "PLAY_START"},
        PLAY | {"Event Type": "LYRIC_DISPLAY"},
        PLAY | {"Media Type": "VIDEO"},
        PLAY | {"Song Name": ""},
        PLAY | {"End Reason Type": "FAILED_TO_LOAD"},
    ]
    (found,) = preview(activity(tmp_path, *rows).parent)
    columns = ("user_id", "listened_at", "artist_name", "title", "ms_played", "skipped")
    assert listens([found], *columns) == [
        ("ada", "2023-05-01 08:03:00", "Portishead", "Roads", 60_000, False),
        ("ada", "2023-05-01 08:03:00", "Portishead", "Roads", 60_000, True),
    ]
    assert found.reasons == {"not_a_play": 2, "video": 1, "failed_to_load": 1, "empty_track_name": 1}
    assert "203.0.113.7" not in str(found.first_rejects)


def test_apple_music_calls_its_columns_otherwise_in_other_years(tmp_path: Path) -> None:
    names = {"Song Name": "Content Name", "Artist Name": "Container Artist Name"}
    row = {names.get(name, name): value for name, value in PLAY.items()}
    assert listens(preview(activity(tmp_path, row).parent), "artist_name", "title") == [("Portishead", "Roads")]


def lengths(path: Path) -> list[int | None]:
    source = recognise(str(path), user="ada").source
    (file,) = find_files(source, path)
    found = [Parser(source.rules, datetime.now(UTC)).parse(batch) for batch in source.for_file(file).read(file)]
    return [length for parsed in found for length in parsed.listens["duration_ms"].to_pylist()]


def test_the_length_of_a_track_of_apple_music_is_read_where_the_export_has_it(tmp_path: Path) -> None:
    rows = [PLAY | {"Media Duration In Milliseconds": length} for length in ("303000", "0", "")]
    assert lengths(activity(tmp_path, *rows)) == [303_000, None, None]
    without = {name: value for name, value in PLAY.items() if name != "Media Duration In Milliseconds"}
    assert lengths(activity(tmp_path, without)) == [None]


def test_a_play_of_apple_music_without_a_start_started_before_it_ended(tmp_path: Path) -> None:
    no_start = PLAY | {"Event Start Timestamp": ""}
    rows = [
        no_start,
        no_start | {"Event End Timestamp": "2023-05-01T10:04:00"},
        no_start | {"Play Duration Milliseconds": ""},
        no_start | {"Event End Timestamp": ""},
    ]
    (found,) = preview(activity(tmp_path, *rows), user="ada")
    assert listens([found], "listened_at") == [("2023-05-01 08:03:00",), ("2023-05-01 08:03:00",)]
    assert found.reasons == {"bad_timestamp": 2}


def test_a_time_of_apple_music_without_a_zone_is_that_of_the_offset_beside_it(tmp_path: Path) -> None:
    offsets = ("7200", "-34200.0", "", "soon", "9000000")
    rows = [PLAY | {"Event Start Timestamp": "2023-05-01T08:03:00", "UTC Offset In Seconds": each} for each in offsets]
    rows += [PLAY | {"Event Start Timestamp": "2023-05-01T08:03:00+02:00"}]
    hours = [
        listened_at[11:16] for (listened_at,) in listens(preview(activity(tmp_path, *rows), user="ada"), "listened_at")
    ]
    assert hours == ["06:03", "17:33", "08:03", "08:03", "08:03", "06:03"]
    without = {name: value for name, value in PLAY.items() if name != "UTC Offset In Seconds"}
    assert listens(preview(activity(tmp_path, without), user="ada"), "listened_at") == [("2023-05-01 08:03:00",)]


def test_an_export_of_deezer_is_read_from_the_sheet_of_its_history(tmp_path: Path) -> None:
    header = (
        *("Song Title", "Artist", "ISRC", "Album Title", "IP Address", "Listening Time", "Platform Name"),
        *("Platform Model", "Date"),
    )
    row = ("Roads", "Portishead", "GBAAA9400001", "Dummy", "203.0.113.7", "61", "web", "", "2023-05-01 08:04:00")
    sheets = {
        "01_profile": [text_cells("Song Title", "Artist", "Date")],
        "10_listeningHistory": [
            text_cells(*header), text_cells(*row), text_cells("Numb", None, *row[2:8], "2023-05-02 08:04:00"),
        ],
    }  # fmt: skip
    (tmp_path / "ada").mkdir()
    write_workbook(tmp_path / "ada", sheets, name="deezer-data_1.xlsx")
    write_workbook(tmp_path / "ada", {"taxes": [text_cells("year")]}, name="taxes.xlsx")
    write(tmp_path / "ada" / "broken.xlsx", "no workbook")
    assert recognise(str(tmp_path / "ada")).passed_over == ("broken.xlsx", "taxes.xlsx")
    (found,) = preview(tmp_path / "ada")
    assert listens([found], "user_id", "listened_at", "artist_name", "title", "ms_played") == [
        ("ada", "2023-05-01 08:04:00", "Portishead", "Roads", 61_000)
    ]
    assert found.reasons == {"empty_artist_name": 1}
    assert "203.0.113.7" not in str(found.first_rejects)
