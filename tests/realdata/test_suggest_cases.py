"""Mappings suggested for the files of real people's reports, against those written for them by hand."""

import tomllib
from pathlib import Path

import pytest

from assets.ingest.mapping import Mapping, read_mapping
from assets.ingest.preview import preview_files
from assets.ingest.suggest import suggest
from assets.ingest.tabular import Tabular
from tests.input_files import input_file
from warehouse.errors import AudoticsError

# File, and the mapping that reads it.
CASES = (
    ("bigquery-times/bq1.jsonl", "m1"),
    ("broken-date-rows/s.csv", "m"),
    ("case-and-spelling/s.csv", "m"),
    ("cp1252/moji.csv", "m"),
    ("cp1252/sep.csv", "m"),
    ("float-ids-csv/a.csv", "m"),
    ("float-ids-csv/b.csv", "m"),
    ("lastfm-ghan/recenttracks.csv", "m"),
    ("listenbrainz-export/exp/listens/2025/1.jsonl", "../../../m"),
    ("long-history-gate/recent.csv", "m"),
    ("nul/s.jsonl", "m"),
    ("quoted-tsv/q.tsv", "m"),
    ("schema-drift/csv/3.csv", "../m_csv"),
    ("schema-drift/exp/endsong_0.jsonl", "../m_optuser"),
    ("skewed-duplicates/spotify.csv", "m3"),
    ("spotify-json-array/endsong_0.json", "m"),
    ("spotify-json-array/converted.jsonl", "m"),
    ("twelve-hour/s.csv", "m"),
)
# What no column names: nothing is guessed.
WITHOUT_HEADER = ("lastfm-to-csv/scrobbles.csv", "rockbox-log/.scrobbler.log")


def listens(mapping: Mapping, path: Path) -> tuple[int, int]:
    refused = list[AudoticsError]()
    (preview,) = preview_files(Tabular(mapping), [path], refused)
    assert not refused
    return preview.rows_read, preview.listens


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize(("name", "mapping"), CASES)
def test_a_suggested_mapping_reads_as_many_rows_as_one_written_by_hand(
    shared_cases: Path, name: str, mapping: str
) -> None:
    path = shared_cases / name
    by_hand = read_mapping(path.parent / f"{mapping}.toml")
    suggestion = suggest(input_file(path), user=by_hand.constants.get("user_id"))
    assert suggestion.missing is None
    assert listens(Mapping.model_validate(tomllib.loads(suggestion.text)), path) == listens(by_hand, path)


@pytest.mark.realdata
def test_a_file_that_is_not_utf8_is_read_whole(shared_cases: Path) -> None:
    path = shared_cases / "cp1252" / "s.csv"
    suggestion = suggest(input_file(path))
    assert "# the file is not UTF-8: read as cp1252" in suggestion.text
    assert listens(Mapping.model_validate(tomllib.loads(suggestion.text)), path) == (3, 3)


@pytest.mark.realdata
@pytest.mark.parametrize("name", WITHOUT_HEADER)
def test_of_a_file_without_header_the_times_are_found_and_the_rest_is_asked_for(shared_cases: Path, name: str) -> None:
    suggestion = suggest(input_file(shared_cases / name), user="ada")
    assert suggestion.missing is not None
    assert "# the first row is not a header" in suggestion.text
    assert '# artist_name = "?"' in suggestion.text
    assert "unit" in tomllib.loads(suggestion.text)["time"]
