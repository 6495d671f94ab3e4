"""What is kept of rows that could not become listens: the mapped fields, and nothing that the mapping leaves out."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from loading import load, query, tabular, write_csv

from assets.ingest.lastfm_1k import LastFm1k

IP_ADDRESS = "203.0.113.77"
USER_AGENT = "Mozilla/5.0 (X11; Planted)"
_UNMAPPED = {"ip_addr": IP_ADDRESS, "user_agent_decrypted": USER_AGENT}
_GOOD = {"u": "ada", "t": "1400000000", "id": "x"}
# One row for each reason that a field can give.
_FAULTY = (
    {"u": ""},
    {"t": "soon"},
    {"t": "1"},
    {"t": "9999999999"},
    {"id": ""},
    {"id": "x" * 1001},
    {"id": "a\0b"},
)


def _rows() -> list[dict[str, str]]:
    return [_GOOD | fault | _UNMAPPED for fault in ({}, *_FAULTY)]


def _write_delimited(path: Path, delimiter: str) -> Path:
    rows = [delimiter.join(row.values()).encode() for row in _rows()]
    secrets = delimiter.join(_UNMAPPED.values()).encode()
    malformed = [
        delimiter.join(("ada", "1400000001", "y", "extra")).encode() + delimiter.encode() + secrets,
        b"ada" + delimiter.encode() + secrets,
        secrets,
        rows[0].replace(b"ada", b"caf\xe9"),
        b'"ada' + rows[0],
    ]
    path.write_bytes(b"\n".join([delimiter.join(_rows()[0]).encode(), *rows, *malformed]))
    return path


def _write_json_lines(path: Path) -> Path:
    rows = [json.dumps(row).encode() for row in _rows()]
    nested = json.dumps(_GOOD | {"u": {"name": "ada", **_UNMAPPED}}).encode()
    malformed = [nested, rows[0][:-1], b"[" + rows[0] + b"]", rows[0].replace(b"ada", b"caf\xe9"), rows[0] + b"\0"]
    path.write_bytes(b"\n".join([*rows, *malformed]))
    return path


def _write_parquet(path: Path) -> Path:
    table = pa.Table.from_pylist(_rows())
    broken = pa.array([b"caf\xe9"] * table.num_rows).view(pa.string())
    both = pa.concat_tables([table, table.set_column(0, "u", broken)])
    pq.write_table(both.append_column("client", pa.array([_UNMAPPED] * both.num_rows)), path)
    return path


def _write_lastfm(path: Path) -> Path:
    good = ["ada", "2009-05-04T23:08:57Z", "", "Deep Dish", "", "Roads"]
    faults = ((0, ""), (1, "yesterday"), (2, "not-an-mbid"), (3, ""), (5, ""), (5, "x" * 1001))
    faulty = [[*good[:place], text, *good[place + 1 :]] for place, text in faults]
    malformed = [[*good, *_UNMAPPED.values()], [*good[:2], *_UNMAPPED.values()], [*good[:5], "\0"]]
    lines = ["\t".join(row).encode() for row in (good, *faulty, *malformed)]
    secret = "\t".join([*good, *_UNMAPPED.values()]).encode()
    path.write_bytes(b"\n".join([*lines, secret.replace(b"Roads", b"caf\xe9"), secret + b"\0"]))
    return path


def _everything_in_raw(url: str) -> str:
    tables = query(url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'raw'")
    assert len(tables) > 8
    return "\n".join(str(row) for (table,) in tables for row in query(url, f"SELECT t::text FROM raw.{table} AS t"))


def test_no_format_leaves_an_ip_address_a_user_agent_or_a_long_text_in_the_warehouse(
    warehouse_url: str, tmp_path: Path
) -> None:
    loads = [
        (tabular(), _write_delimited(tmp_path / "a.csv", ",")),
        (tabular(), _write_delimited(tmp_path / "a.tsv", "\t")),
        (tabular(), _write_json_lines(tmp_path / "a.jsonl")),
        (tabular(), _write_parquet(tmp_path / "a.parquet")),
        (LastFm1k(), _write_lastfm(tmp_path / "listens.tsv")),
    ]
    for source, path in loads:
        report = load(warehouse_url, source, path)
        assert report.rows_rejected >= len(_FAULTY), path.name
    kept = _everything_in_raw(warehouse_url)
    assert "soon" in kept
    for secret in (IP_ADDRESS, USER_AGENT, "203.0", "Mozilla", *_UNMAPPED):
        assert secret not in kept
    longest = "SELECT reason, max(length(value)) FROM raw.rejected_listens, jsonb_each_text(fields) GROUP BY file_id, 1"
    lengths = [(reason, length) for reason, length in query(warehouse_url, longest) if length > 100]
    # Parquet has the text in rows of two reasons.
    assert sorted(lengths) == [("invalid_utf8", 1000), *[("too_long", 1000)] * len(loads)]


def test_every_reject_keeps_its_line_its_reason_and_its_mapped_fields(warehouse_url: str, tmp_path: Path) -> None:
    good = "u1\t2009-05-04T23:08:57Z\t\tDeep Dish\t\tGood"
    fields = ("user_id", "listened_at", "artist_mbid", "artist_name", "recording_mbid", "title")
    rows = {
        "u1\t2009-05-04T23:08:57Z\t\tDeep Dish\t\tcaf\udce9": "invalid_utf8",
        "u1\t2009-05-04T23:08:57Z\t\tDeep\0Dish\t\tx": "nul_byte",
        "u1\t2009-05-04T23:08:57Z\t\tDeep Dish": "wrong_column_count",
        "\t2009-05-04T23:08:57Z\t\tDeep Dish\t\tx": "empty_user",
        "u1\tyesterday\t\tDeep Dish\t\tx": "bad_timestamp",
        "u1\t1970-01-01T00:00:00Z\t\tDeep Dish\t\tx": "before_2000",
        "u1\t2126-01-01T00:00:00Z\t\tDeep Dish\t\tx": "in_the_future",
        "u1\t2009-05-04T23:08:57Z\t\t\t\tx": "empty_artist_name",
        "u1\t2009-05-04T23:08:57Z\t\tDeep Dish\t\t": "empty_track_name",
        "u1\t2009-05-04T23:08:57Z\t\tDeep Dish\t\t" + "x" * 1001: "too_long",
    }
    lines = [good, "", *rows, *(good for _ in range(12))]
    path = tmp_path / "listens.tsv"
    path.write_bytes("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    report = load(warehouse_url, LastFm1k(), path)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected, report.rows_duplicate) == (23, 1, 10, 12)
    assert report.rejected_by_reason == dict.fromkeys(sorted(rows.values()), 1)
    unsplit = ("invalid_utf8", "nul_byte", "wrong_column_count")
    expected = [
        (
            line,
            reason,
            None
            if reason in unsplit
            else {name: text[:1000] for name, text in zip(fields, row.split("\t"), strict=True)},
        )
        for line, (row, reason) in enumerate(rows.items(), 3)
    ]
    assert query(warehouse_url, "SELECT line, reason, fields FROM raw.rejected_listens ORDER BY line") == expected


def test_rejects_can_be_searched_by_field(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", "bob,soon,x", "ada,later,x"))
    found = "SELECT line, fields ->> 'listened_at' FROM raw.rejected_listens WHERE fields ->> 'user_id' = 'ada'"
    assert query(warehouse_url, found) == [(4, "later")]
