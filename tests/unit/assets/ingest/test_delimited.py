"""CSV and TSV: quotes, line breaks within quotes, wrong numbers of fields, missing columns."""

import csv
import io
from functools import partial
from pathlib import Path

import pytest

from assets.ingest import delimited
from assets.ingest.delimited import Layout, read_delimited
from assets.ingest.lines import read_lines
from tests.input_files import input_file
from warehouse.errors import AudoticsError

CSV = Layout(delimiter=",", quoted=True)
TSV = Layout(delimiter="\t", quoted=False)
COLUMNS = {"title": "name", "user_id": "user"}


def _read(path: Path, layout: Layout = CSV, columns: dict[str, str] = COLUMNS, optional: tuple[str, ...] = ()):
    """Return (line, title, user) of the rows and (line, reason, fields) of the rejects."""
    batches = list(read_delimited(input_file(path), layout, columns, optional))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    rejects = [row for batch in batches for row in batch.rejects.to_pylist()]
    return (
        [(row["line"], *(row[field] for field in columns)) for row in rows],
        [(row["line"], row["reason"], row["fields"]) for row in rejects],
    )


def _write(folder: Path, text: str) -> Path:
    path = folder / "listens.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path) -> None:
    rows, rejects = _read(_write(tmp_path, "user,extra, name \nu1,x,Roads\nu2,,\n"))
    assert rows == [(2, "Roads", "u1"), (3, "", "u2")]
    assert rejects == []


def test_quotes_enclose_delimiters_doubled_quotes_and_line_breaks(tmp_path: Path) -> None:
    text = 'user,name\nu1,"Roads, live"\n"u2","He said ""no"""\nu3,"two\r\nlines, ""quoted""\n\nand a half"\nu4,""\n'
    rows, rejects = _read(_write(tmp_path, text))
    assert rows == [
        (2, "Roads, live", "u1"),
        (3, 'He said "no"', "u2"),
        (4, 'two\nlines, "quoted"\nand a half', "u3"),
        (8, "", "u4"),
    ]
    assert rejects == []


def test_a_quote_that_encloses_nothing_is_part_of_the_text_and_spoils_no_other_row(tmp_path: Path) -> None:
    text = (
        'user,name\nu1,12" mix\nu2,"Heroes" (2017)\nu3,"never closed\nu4,plain\nu5,"closed, ""well"""\n'
        'u6,"open again\nu7,"fine"\n'
    )
    rows, rejects = _read(_write(tmp_path, text))
    assert rows == [
        (2, '12" mix', "u1"),
        (3, '"Heroes" (2017)', "u2"),
        (4, '"never closed', "u3"),
        (5, "plain", "u4"),
        (6, 'closed, "well"', "u5"),
        (7, '"open again', "u6"),
        (8, "fine", "u7"),
    ]
    assert rejects == []


def test_rows_with_another_number_of_fields_are_rejected_without_their_text(tmp_path: Path) -> None:
    text = 'user,name\nu1\nu2,Roads,x\nu3,Roads\nu4,"a",b\n,\n'
    rows, rejects = _read(_write(tmp_path, text))
    assert rows == [(4, "Roads", "u3"), (6, "", "")]
    assert sorted(rejects) == [
        (2, "wrong_column_count", None),
        (3, "wrong_column_count", None),
        (5, "wrong_column_count", None),
    ]


def test_what_a_csv_writer_writes_is_read_back_whatever_the_block_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = ["plain", "a,b", 'say "x"', '"', "two\nlines", 'x\n"y",\nz', "", "ä€𝄞", "tab\there", '","', "'"]
    expected = [(f"u{i}", pieces[i % len(pieces)] + pieces[(i * 7 + 3) % len(pieces)]) for i in range(300)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["user", "name"])
    writer.writerows(expected)
    path = _write(tmp_path, text.getvalue())
    for block_bytes in (64, 500, 1 << 20):
        monkeypatch.setattr(delimited, "read_lines", partial(read_lines, block_bytes=block_bytes))
        rows, rejects = _read(path)
        assert [(user, title) for _, title, user in rows] == expected, block_bytes
        assert rejects == []


def test_line_numbers_stay_true_after_rows_of_several_lines(tmp_path: Path) -> None:
    text = 'user,name\nu1,"a\nb\nc"\nu2,x\nu3\nu4,"d\ne"\nu5,y\n'
    rows, rejects = _read(_write(tmp_path, text))
    assert [(line, user) for line, _, user in rows] == [(2, "u1"), (5, "u2"), (7, "u4"), (9, "u5")]
    assert rejects == [(6, "wrong_column_count", None)]


def test_unquoted_files_take_quotes_literally(tmp_path: Path) -> None:
    rows, rejects = _read(_write(tmp_path, 'user\tname\nu1\t"Heroes"\nu2\t"\nu3\ta,b\n'), TSV)
    assert rows == [(2, '"Heroes"', "u1"), (3, '"', "u2"), (4, "a,b", "u3")]
    assert rejects == []


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "^", "\\", ".", "-"])
def test_any_character_delimits(tmp_path: Path, delimiter: str) -> None:
    text = f'user{delimiter}name\nu1{delimiter}"a{delimiter}b"\nu2{delimiter}c d\n'
    rows, rejects = _read(_write(tmp_path, text), Layout(delimiter, quoted=True))
    assert rows == [(2, f"a{delimiter}b", "u1"), (3, "c d", "u2")]
    assert rejects == []


def test_a_file_without_header_takes_the_names_it_is_given(tmp_path: Path) -> None:
    layout = Layout(",", quoted=True, header=("name", "user"))
    assert _read(_write(tmp_path, "Roads,u1\n"), layout)[0] == [(1, "Roads", "u1")]


def test_a_missing_column_is_named_together_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match=r"no column 'name', .* for title; it has user, song\."):
        _read(_write(tmp_path, "user,song\nu1,Roads\n"))


def test_an_optional_column_that_is_missing_is_null(tmp_path: Path) -> None:
    assert _read(_write(tmp_path, "user,song\nu1,Roads\n"), optional=("title",))[0] == [(2, None, "u1")]


def test_two_columns_of_a_wanted_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match="2 columns named 'name'"):
        _read(_write(tmp_path, "user,name,name\nu1,a,b\n"))


def test_an_empty_file_has_no_header(tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match="is empty"):
        _read(_write(tmp_path, ""))


def test_a_header_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "listens.csv"
    path.write_bytes(b"user,name\xff\nu1,Roads\n")
    with pytest.raises(
        AudoticsError, match=r'header line is not UTF-8 text; it may be cp1252: set encoding = "cp1252" in the mapping'
    ):
        _read(path)


def test_a_header_alone_gives_no_rows(tmp_path: Path) -> None:
    assert _read(_write(tmp_path, "user,name\n")) == ([], [])
