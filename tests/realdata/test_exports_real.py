"""What comes out of every file of ListenBrainz and of other exports: listens, and rows by reason."""

from pathlib import Path

import pytest

from assets.ingest.formats.recognise import recognise
from assets.ingest.preview import preview_files
from warehouse.errors import AudoticsError

pytestmark = pytest.mark.realdata

# The format, listens, and rows that are rejected or left out.
EXPECTED = {
    **{
        f"listenbrainz/full-dump-1/{number}.parquet": ("listenbrainz", count, {})
        for number, count in enumerate((4, 3, 10, 18, 14, 10, 9))
    },
    "listenbrainz/incremental-dump-2/0.parquet": ("listenbrainz", 9, {}),
    "listenbrainz/incremental-dump-3/0.parquet": ("listenbrainz", 8, {}),
    "listenbrainz/listenbrainz_listens.jsonl": ("listenbrainz", 2, {}),
    "listenbrainz/listenbrainz_mixed_validity.jsonl": (
        "listenbrainz",
        3,
        {"empty_artist_name": 1, "empty_track_name": 1},
    ),
    "listenbrainz/listenbrainz_all_invalid.jsonl": (
        "listenbrainz",
        0,
        {"empty_artist_name": 2, "empty_track_name": 1},
    ),
    **{
        f"listenbrainz/invalid/{name}.json": ("listenbrainz", 0, {reason: 1})
        for name, reason in {
            "empty_artist_name": "empty_artist_name",
            "empty_track_name": "empty_track_name",
            "invalid_artist_mbid": "bad_mbid",
            "invalid_duration": "bad_duration",
            "invalid_listen_missing_track_metadata": "no_track_metadata",
            "invalid_listen_nan_in_json": "bad_timestamp",
            "invalid_listen_null_listened_at": "bad_timestamp",
            "invalid_listen_null_track_metadata": "no_track_metadata",
            "invalid_recording_mbid": "bad_mbid",
            "invalid_release_mbid": "bad_mbid",
            "invalid_release_name": "bad_release_name",
            "listen_having_unicode_null": "nul_byte",
            "too_large_listen": "too_large",
            "too_long_tag": "too_long_tag",
            "too_many_tags": "too_many_tags",
        }.items()
    },
    # Ids that are null or empty are not given.
    "listenbrainz/invalid/invalid_mbid_listens.json": ("listenbrainz", 2, {}),
    # Names tell what the MBID of one of them does not.
    "exports/.scrobbler.log": ("scrobbler-log/Europe/Berlin", 3, {"empty_artist_name": 1}),
    "exports/librefm.csv": ("librefm", 3, {}),
    "exports/librefm_no_album_column.csv": ("librefm", 2, {}),
    "exports/librefm_via_maloja.csv": ("librefm", 3, {}),
    "exports/librefm_with_comments.csv": ("librefm", 3, {}),
    "exports/maloja.json": ("maloja", 2, {}),
    "exports/maloja_malformed.json": ("maloja", 0, {"empty_artist_name": 3}),
    "exports/panoscrobbler.jsonl": ("panoscrobbler", 2, {}),
    "exports/spotify_skipped_tracks.json": ("spotify", 14, {"incognito": 1}),
    "exports/spotify_streaming_2023.json": ("spotify", 5, {}),
    "exports/spotify_streaming_endsong_0.json": ("spotify", 5, {}),
}
# Verses in place of rows, without a time.
UNKNOWN = {"exports/librefm_no_header.csv"}
MARKERS = {"COPYING", "END_TIMESTAMP", "SCHEMA_SEQUENCE", "START_TIMESTAMP"}


def test_every_file_is_stated(shared_data: Path) -> None:
    files = [path for name in ("listenbrainz", "exports") for path in (shared_data / name).rglob("*") if path.is_file()]
    names = {str(path.relative_to(shared_data)) for path in files if path.name not in MARKERS}
    assert names == EXPECTED.keys() | UNKNOWN


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_gives_what_is_stated(shared_data: Path, name: str) -> None:
    zone = "Europe/Berlin" if name.endswith(".log") else None
    recognised = recognise(str(shared_data / name), user="ada", zone=zone)
    refused: list[AudoticsError] = []
    (found,) = preview_files(recognised.source, [recognised.listing], refused)
    assert (found.format, found.listens, found.reasons) == EXPECTED[name]
    assert found.rows_read == found.listens + found.rows_rejected + found.rows_left_out
    assert bool(refused) is (found.listens == 0), "where nothing can be loaded, the file is refused"


@pytest.mark.parametrize("name", sorted(UNKNOWN))
def test_a_file_of_no_format_is_refused(shared_data: Path, name: str) -> None:
    with pytest.raises(AudoticsError, match="is not of a format that is known"):
        recognise(str(shared_data / name), user="ada")


def test_the_dumps_pass_over_their_markers(shared_data: Path) -> None:
    for name in ("full-dump-1", "incremental-dump-2", "incremental-dump-3"):
        assert set(recognise(str(shared_data / "listenbrainz" / name)).passed_over) == MARKERS
