"""JSON lines and Parquet: nested values, malformed rows, damaged files."""

import json
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.ingest import json_rows, parquet
from assets.ingest.duck import connect_offline
from assets.ingest.json_rows import path_steps, read_json
from assets.ingest.lines import read_lines
from assets.ingest.parquet import read_parquet
from assets.ingest.records import RawBatch
from tests.input_files import input_file
from warehouse.errors import AudoticsError


def _rows(batches: list[RawBatch], *names: str) -> list[tuple]:
    return [tuple(row[name] for name in ("line", *names)) for batch in batches for row in batch.rows.to_pylist()]


def _rejects(batches: list[RawBatch]) -> list[tuple]:
    return [tuple(row.values()) for batch in batches for row in batch.rejects.to_pylist()]


def _json(folder: Path, *rows: str) -> Path:
    path = folder / "listens.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def _parquet(folder: Path, table: pa.Table) -> Path:
    path = folder / "listens.parquet"
    pq.write_table(table, path)
    return path


def test_a_dotted_path_goes_into_objects_and_by_number_into_lists() -> None:
    assert path_steps("track.artists.0.name") == ["track", "artists", 0, "name"]
    assert path_steps('a."b.c"."0"') == ["a", "b.c", "0"]


def test_json_values_come_as_text_and_missing_ones_as_null(tmp_path: Path) -> None:
    path = _json(
        tmp_path,
        json.dumps({"u": "ada", "track": {"id": 7, "by": [{"name": "Björk"}]}, "skipped": False}),
        json.dumps({"u": 12345678901234567, "track": {"id": None}, "skipped": None}),
        json.dumps({"u": "x", "track": "text"}),
    )
    columns = {"user_id": "u", "track_id": "track.id", "artist_name": "track.by.0.name", "skipped": "skipped"}
    assert _rows(list(read_json(input_file(path), columns)), *columns) == [
        (1, "ada", "7", "Björk", "false"),
        (2, "12345678901234567", None, None, None),
        (3, "x", None, None, None),
    ]


def test_a_json_path_that_leads_to_an_object_or_a_list_finds_no_text(tmp_path: Path) -> None:
    path = _json(tmp_path, json.dumps({"u": {"name": "ada", "ip": "203.0.113.7"}, "t": ["x"], "id": "{}"}))
    columns = {"user_id": "u", "title": "t", "track_id": "id", "artist_name": "u.name"}
    assert _rows(list(read_json(input_file(path), columns)), *columns) == [(1, None, None, "{}", "ada")]


def test_a_parquet_file_is_read_without_the_columns_that_no_field_needs(tmp_path: Path) -> None:
    table = pa.table(
        {
            "u": ["ada"],
            "track": [{"id": "a", "by": "X"}],
            "track.id": ["dotted"],
            "wait": pa.array([1], pa.duration("s")),
        }
    )
    batches = list(read_parquet(input_file(_parquet(tmp_path, table)), {"user_id": "u", "artist_name": "track.by"}))
    assert _rows(batches, "user_id", "artist_name") == [(1, "ada", "X")]
    assert batches[0].rows.column_names == ["line", "user_id", "artist_name"]
    batches = list(read_parquet(input_file(_parquet(tmp_path, table)), {"user_id": "absent"}, optional=("user_id",)))
    assert _rows(batches, "user_id") == [(1, None)]


def test_a_json_file_of_many_blocks_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "read_lines", partial(read_lines, block_bytes=100))
    path = _json(tmp_path, *(json.dumps({"u": f"user {number}"}) for number in range(50)))
    batches = list(read_json(input_file(path), {"user_id": "u"}))
    assert len(batches) > 5
    assert _rows(batches, "user_id") == [(number + 1, f"user {number}") for number in range(50)]


def test_lines_that_are_not_a_json_object_are_rejected_without_their_text(tmp_path: Path) -> None:
    bad = ['{"u": ', "[1]", '"u"', '{"u": "\\ud800"}', '{"u": 1} {"u": 2}', "null"]
    batches = list(read_json(input_file(_json(tmp_path, '{"u": "ada"}', "", *bad)), {"user_id": "u"}))
    assert _rows(batches, "user_id") == [(1, "ada")]
    assert _rejects(batches) == [(line, "malformed_json", None) for line in range(3, 3 + len(bad))]


def test_a_path_that_no_json_object_has_is_named_together_with_the_keys_that_exist(tmp_path: Path) -> None:
    path = _json(tmp_path, '{"user": "ada"}', "not json", '{"track": {"id": 1}}')
    with pytest.raises(AudoticsError, match=r"no column 'track\.name', .* for title; it has track, user\."):
        list(read_json(input_file(path), {"user_id": "user", "title": "track.name"}))
    batches = list(read_json(input_file(path), {"user_id": "user", "title": "track.name"}, optional=("title",)))
    assert _rows(batches, "user_id", "title") == [(1, "ada", None), (3, None, None)]


def test_a_parquet_row_keeps_its_number_and_its_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    table = pa.table(
        {
            "u": pa.array([1, 2, 3]),
            "track": [{"id": "a", "by": {"name": "X"}}, None, {"id": "c", "by": None}],
            "a.b": pa.array(["x", "y", "z"]).dictionary_encode(),
        }
    )
    batches = list(
        read_parquet(
            input_file(_parquet(tmp_path, table)), {"user_id": "u", "artist_name": "track.by.name", "title": "a.b"}
        )
    )
    assert [batch.rows.num_rows for batch in batches] == [2, 1]
    assert _rows(batches, "user_id", "artist_name", "title") == [(1, 1, "X", "x"), (2, 2, None, "y"), (3, 3, None, "z")]
    assert batches[0].rows.schema.field("title").type == pa.string()
    assert [batch.done for batch in batches] == [pytest.approx(2 / 3), 1.0]


def test_parquet_text_that_is_not_utf_8_is_rejected(tmp_path: Path) -> None:
    broken = pa.array([b"good", b"caf\xe9", None, b"\xc3", b"\xa9"]).view(pa.string())
    path = _parquet(tmp_path, pa.table({"t": broken, "n": range(5)}))
    batches = list(read_parquet(input_file(path), {"title": "t"}))
    assert _rows(batches, "title") == [(1, "good"), (3, None)]
    assert _rejects(batches) == [
        (2, "invalid_utf8", '{"title":"caf\\\\xe9"}'),
        (4, "invalid_utf8", '{"title":"\\\\xc3"}'),
        (5, "invalid_utf8", '{"title":"\\\\xa9"}'),
    ]


def test_parquet_with_faults_takes_one_connection_which_is_closed_and_keeps_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[duckdb.DuckDBPyConnection] = []

    def noted() -> duckdb.DuckDBPyConnection:
        opened.append(connect_offline())
        return opened[-1]

    monkeypatch.setattr(parquet, "BATCH_ROWS", 1)
    monkeypatch.setattr(parquet, "connect_offline", noted)
    rejected = 0
    path = _parquet(tmp_path, pa.table({"t": pa.array([b"\xe9", b"\xe8"])}))
    for batch in read_parquet(input_file(path), {"title": "t"}):
        rejected += batch.rejects.num_rows
        assert opened[0].sql("SHOW TABLES").fetchall() == []
    assert (rejected, len(opened)) == (2, 1)
    with pytest.raises(duckdb.ConnectionException):
        opened[0].sql("SELECT 1")


def test_a_path_goes_into_lists_of_a_parquet_file_by_number(tmp_path: Path) -> None:
    by = [[{"name": "X"}, {"name": "Y"}], [], None, [None], [{"name": None}]]
    table = pa.table(
        {"by": by, "tags": pa.array([["a", "b"], ["c"], [], None, [None, "d"]], pa.large_list(pa.string()))}
    )
    columns = {"artist_name": "by.0.name", "title": "tags.1"}
    assert _rows(list(read_parquet(input_file(_parquet(tmp_path, table)), columns)), *columns) == [
        (1, "X", "b"),
        (2, None, None),
        (3, None, None),
        (4, None, None),
        (5, None, "d"),
    ]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("by", r"'by' holds list<.*>, not one value; name what is meant in it, such as 'by\.0'"),
        ("track", r"'track' holds struct<.*>, not one value; .* such as 'track\.id'"),
        ("seen", r"'seen' holds map<.*>, not one value"),
        ("twice", r"has 2 columns named 'twice'; rename all but one"),
        ("twice.x", r"has 2 columns named 'twice'"),
        ("by.first", r"no column 'by\.first'"),
    ],
)
def test_a_parquet_column_that_is_not_one_value_is_named(tmp_path: Path, column: str, message: str) -> None:
    arrays = [
        pa.array([["x"]]),
        pa.array([{"id": 1}]),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([{"x": 1}]),
        pa.array([{"x": 2}]),
        pa.array(["ada"]),
    ]
    path = _parquet(tmp_path, pa.table(arrays, ["by", "track", "seen", "twice", "twice", "u"]))
    with pytest.raises(AudoticsError, match=message):
        list(read_parquet(input_file(path), {"title": column}))
    # What no field needs may be there twice.
    assert _rows(list(read_parquet(input_file(path), {"user_id": "u"})), "user_id") == [(1, "ada")]


@pytest.mark.parametrize("column", ["nope", "track.nope", "u.x"])
def test_a_missing_parquet_column_is_named_together_with_those_that_exist(tmp_path: Path, column: str) -> None:
    path = _parquet(tmp_path, pa.table({"u": [1], "track": [{"id": "a"}]}))
    with pytest.raises(AudoticsError, match=f"no column '{column}', .* for title; it has u, track"):
        list(read_parquet(input_file(path), {"user_id": "u", "title": column}))
    batches = list(read_parquet(input_file(path), {"user_id": "u", "title": column}, optional=("title",)))
    assert _rows(batches, "user_id", "title") == [(1, 1, None)]


@pytest.mark.parametrize("kept", [0, 3, 100, -1, -20])
def test_a_truncated_parquet_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = _parquet(tmp_path, pa.table({"u": range(1000)}))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AudoticsError, match=r"listens\.parquet is not a whole Parquet file"):
        list(read_parquet(input_file(path), {"user_id": "u"}))


def test_parquet_with_damaged_pages_is_refused(tmp_path: Path) -> None:
    path = _parquet(tmp_path, pa.table({"u": [f"user {n * 7919 % 1000}" for n in range(5000)]}))
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(AudoticsError, match=r"listens\.parquet is not a whole Parquet file"):
        list(read_parquet(input_file(path), {"user_id": "u"}))


def test_a_json_column_is_of_no_type_until_a_row_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "read_lines", partial(read_lines, block_bytes=20))
    path = _json(tmp_path, '{"u": "ada"}', '{"u": "ada"}', '{"u": "ada", "v": 1}', '{"u": "ada"}')
    batches = list(read_json(input_file(path), {"user_id": "u", "title": "v"}, optional=("title",)))
    kinds = [batch.rows.schema.field("title").type for batch in batches if batch.rows.num_rows]
    assert (kinds[0], kinds[-1]) == (pa.null(), pa.string())


@pytest.mark.parametrize("column", ["tags.*", "*", "tags.99999999999999999999"])
def test_a_json_path_to_several_values_is_refused(tmp_path: Path, column: str) -> None:
    path = _json(tmp_path, '{"u": "ada", "tags": ["x"]}')
    with pytest.raises(AudoticsError, match="does not lead to one value; name keys, and places in lists from 0"):
        list(read_json(input_file(path), {"title": column}))


def test_a_superscript_figure_is_part_of_a_name(tmp_path: Path) -> None:
    path = _json(tmp_path, json.dumps({"m": {"²": "x"}}))
    assert _rows(list(read_json(input_file(path), {"title": "m.²"})), "title") == [(1, "x")]
    table = pa.table({"m": [["x"]]})
    with pytest.raises(AudoticsError, match=r"no column 'm\.²'"):
        list(read_parquet(input_file(_parquet(tmp_path, table)), {"title": "m.²"}))


def test_parquet_instants_that_are_too_far_away_are_the_farthest(tmp_path: Path) -> None:
    far = [2**62, -(2**62), 0, None]
    columns = {unit: pa.array(far, pa.timestamp(unit, "UTC")) for unit in ("ms", "us")}
    path = _parquet(tmp_path, pa.table(columns | {"half": pa.array([1.5] * 4, pa.float16())}))
    (batch,) = read_parquet(input_file(path), {"listened_at": "ms", "ms_played": "us", "title": "half"})
    assert batch.rows["listened_at"].cast(pa.int64()).to_pylist() == [9 * 10**18, -9 * 10**18, 0, None]
    assert batch.rows["ms_played"].cast(pa.int64()).to_pylist() == far
    assert batch.rows["title"].to_pylist() == [1.5] * 4
