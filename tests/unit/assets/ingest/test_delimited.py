"""CSV and TSV: quotes, line breaks within quotes, wrong numbers of fields, missing columns."""

import csv
import io
from dataclasses import replace
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


def test_lines_before_the_header_and_comments_are_neither_rows_nor_rejects(tmp_path: Path) -> None:
    text = "exported by x\n\nwith, three, fields\nuser,name\n# a note\nu1,Roads\n#u2,x\nu3,#x\n"
    layout = Layout(",", quoted=True, skip_lines=3, comment="#")
    assert _read(_write(tmp_path, text), layout) == ([(6, "Roads", "u1"), (8, "#x", "u3")], [])
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"caf\xe9\nuser,name\nu1,Roads\n")
    assert _read(broken, Layout(",", quoted=True, skip_lines=1)) == ([(3, "Roads", "u1")], [])
    headless = Layout(",", quoted=True, header=("user", "name"), skip_lines=1)
    assert _read(_write(tmp_path, "preamble\nu1,Roads\n"), headless) == ([(2, "Roads", "u1")], [])


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", "\ufeffsep=;\n"])
def test_a_first_line_that_names_the_separator_is_obeyed_and_never_a_header(tmp_path: Path, line: str) -> None:
    path = _write(tmp_path, f'{line}user;name\nu1;"a;b"\n')
    expected = [(3, "a;b", "u1")], []
    assert _read(path, Layout(",", quoted=True, is_assumed=True)) == expected
    assert _read(path, Layout(";", quoted=True)) == expected
    assert _read(_write(tmp_path, f"{line}user,name\nu1,a;b\n"), CSV) == expected


def test_other_quotation_marks_enclose_as_well(tmp_path: Path) -> None:
    text = "'user',name\nu1,'a, b'\nu2,'it''s'\nu3,\"x\"\nu4,'two\nlines'\n"
    rows, rejects = _read(_write(tmp_path, text), Layout(",", quoted=True, quote="'"))
    assert rows == [(2, "a, b", "u1"), (3, "it's", "u2"), (4, '"x"', "u3"), (5, "two\nlines", "u4")]
    assert rejects == []


def test_an_escape_takes_the_meaning_from_the_next_character(tmp_path: Path) -> None:
    text = (
        'user,name\nu1,"say \\"x\\", y"\nu2,"back\\\\"\nu3,a\\,b\nu4,"doubled "" too"\nu5,\\N\n'
        'u6,"open \\"\nline"\nu7,"\\\\\\", z"\n'
    )
    rows, rejects = _read(_write(tmp_path, text), Layout(",", quoted=True, escape="\\"))
    assert [row[1:] for row in rows] == [
        ('say "x", y', "u1"),
        ("back\\", "u2"),
        ("a,b", "u3"),
        ('doubled " too', "u4"),
        ("\\N", "u5"),
        ('open "\nline', "u6"),
        ('\\", z', "u7"),
    ]
    assert rejects == []


def test_backslashes_before_quotation_marks_are_escapes_only_where_fields_are_whole_with_them(tmp_path: Path) -> None:
    rows, rejects = _read(_write(tmp_path, 'user,name\nu1,"He said \\"no\\""\nu2,"a, b"\nu3,"C:\\\\"\nu4,"x"\n'))
    assert [row[1] for row in rows] == ['He said "no"', "a, b", "C:\\", "x"]
    assert rejects == []
    for whole in ('"C:\\"', '"say ""x"" \\"', '"\\""x"""'):
        rows, rejects = _read(_write(tmp_path, f"user,name\nu1,{whole}\nu2,x\n"))
        assert ([row[1] for row in rows], rejects) == ([next(csv.reader([whole]))[0], "x"], [])


@pytest.mark.parametrize(("quote", "escape"), [('"', None), ("'", None), ('"', "\\"), ("|", "^"), ("^", "-")])
def test_what_a_csv_writer_of_that_dialect_writes_is_read_back(tmp_path: Path, quote: str, escape: str | None) -> None:
    pieces = [
        "plain",
        "a,b",
        f"say {quote}x{quote}",
        quote,
        "two\nlines",
        f"{escape}",
        f"x{escape}{quote},",
        "",
        "]^-[\\",
    ]
    expected = [(f"u{i}", pieces[i % len(pieces)] + pieces[(i * 7 + 3) % len(pieces)]) for i in range(90)]
    text = io.StringIO()
    writer = csv.writer(
        text, lineterminator="\n", quotechar=quote, escapechar=escape, doublequote=not escape, quoting=csv.QUOTE_ALL
    )
    writer.writerows([("user", "name"), *expected])
    rows, rejects = _read(_write(tmp_path, text.getvalue()), Layout(",", quoted=True, quote=quote, escape=escape))
    assert [(user, title) for _, title, user in rows] == expected
    assert rejects == []


UNSTATED = Layout("\t", quoted=None)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_a_tab_separated_file_whose_rows_show_quotes_is_read_as_quoted(tmp_path: Path, quoting: int) -> None:
    expected = [
        ("u1", '"Heroes"'),
        ("u2", 'say "x"'),
        ("u3", "Plain"),
        ("u4", "a\tb"),
        ("u5", "two\nlines"),
        ("u6", ""),
    ]
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n", quoting=quoting).writerows([("user", "name"), *expected])
    rows, rejects = _read(_write(tmp_path, text.getvalue()), UNSTATED)
    assert ([(user, title) for _, title, user in rows], rejects) == (expected, [])


@pytest.mark.parametrize(
    "titles",
    [
        ['"Heroes"', "Plain"],
        ['"Heroes" (2017)', '"say ""x"""'],
        ['"', '""', "x"],
        ['12" mix', 'say "x"'],
        ['"open', 'close"'],
    ],
)
def test_names_that_begin_with_a_quotation_mark_make_no_quoted_file(tmp_path: Path, titles: list[str]) -> None:
    text = "user\tname\n" + "".join(f"u\t{title}\n" for title in titles)
    rows, rejects = _read(_write(tmp_path, text), UNSTATED)
    assert ([title for _, title, _ in rows], rejects) == (titles, [])


@pytest.mark.parametrize("content", [b"", b"\n\n\r\n", b"\xef\xbb\xbf", b"# all\n# comments\n"])
def test_a_file_without_a_line_is_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "listens.csv"
    path.write_bytes(content)
    for header in (None, ("user", "name")):
        with pytest.raises(AudoticsError, match="is empty"):
            _read(path, Layout(",", quoted=True, header=header, comment="#"))


def test_a_row_that_is_cut_at_the_end_of_the_file_is_a_reject(tmp_path: Path) -> None:
    rows, rejects = _read(_write(tmp_path, "user,name\nu1,Roads\nu2"))
    assert (rows, rejects) == ([(2, "Roads", "u1")], [(3, "wrong_column_count", None)])


@pytest.mark.parametrize(("delimiter", "written"), [(";", ";"), ("\t", r"\\t"), ("|", r"\|")])
def test_a_header_with_another_delimiter_says_which_one_to_set(tmp_path: Path, delimiter: str, written: str) -> None:
    path = _write(tmp_path, f"name{delimiter}user\nRoads{delimiter}u1\n")
    with pytest.raises(AudoticsError, match=f'Set delimiter = "{written}" in the mapping, which its header shows'):
        _read(path)


def test_comments_begin_with_any_of_several_texts(tmp_path: Path) -> None:
    rows, _ = _read(_write(tmp_path, "# a\n+A b\nuser,name\n#u0,x\nu1,+A\n"), replace(CSV, comment=("#", "+A")))
    assert rows == [(5, "+A", "u1")]
