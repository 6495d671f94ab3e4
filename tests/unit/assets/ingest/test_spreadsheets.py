"""Excel workbooks: which sheet, which cells, and files that are damaged."""

import zipfile
from pathlib import Path

import pytest

from assets.ingest import spreadsheets
from assets.ingest.spreadsheets import read_spreadsheet
from tests.input_files import input_file
from tests.workbooks import text_cells, write_workbook
from warehouse.errors import AudoticsError


def _read(path: Path, columns: dict[str, str], sheet: str | None = None, optional: tuple[str, ...] = ()) -> list[tuple]:
    batches = list(read_spreadsheet(input_file(path), columns, optional, sheet))
    assert [batch.done for batch in batches] == sorted(batch.done for batch in batches)
    return [tuple(row[name] for name in ("line", *columns)) for batch in batches for row in batch.rows.to_pylist()]


def test_cells_come_as_text_whatever_they_hold(tmp_path: Path) -> None:
    shared = "<si><t>Röads</t></si><si><r><t>two </t></r><r><t>pieces</t></r><rPh><t>no</t></rPh></si>"
    cells = {
        '<c r="A1" t="s"><v>0</v></c>': "Röads",
        '<c r="A1" t="s"><v>1</v></c>': "two pieces",
        '<c r="A1" t="inlineStr"><is><t> kept </t></is></c>': " kept ",
        '<c r="A1" t="str"><f>B1</f><v>of a formula</v></c>': "of a formula",
        '<c r="A1"><v>9007199254740993</v></c>': "9007199254740993",
        '<c r="A1" t="b"><v>1</v></c>': "true",
        '<c r="A1" s="1"><v>45047.336111111108</v></c>': "2023-05-01 08:04:00",
        '<c r="A1" s="2"><v>45047</v></c>': "2023-05-01 00:00:00",
        '<c r="A1" s="3"><v>45047</v></c>': "45047",
        "<c><v>7</v></c>": "7",
    }
    rows = [text_cells("value"), *cells, '<c r="A1"/>', "", '<c r="B1"><v>1</v></c>']
    path = write_workbook(tmp_path, {"one": rows}, shared)
    # A row without cells is none; one without this cell has a null.
    expected = [*((line, text) for line, text in enumerate(cells.values(), 2)), (len(rows), None)]
    assert _read(path, {"title": "value"}) == expected


def test_what_is_not_a_day_of_any_calendar_stays_as_it_is(tmp_path: Path) -> None:
    days = ("9e9", "1e300", "NaN", "soon")
    rows = [text_cells("day"), *(f'<c r="A1" s="1"><v>{day}</v></c>' for day in days)]
    path = write_workbook(tmp_path, {"one": rows})
    assert _read(path, {"listened_at": "day"}) == list(enumerate(days, 2))


def test_a_formula_that_failed_has_no_value(tmp_path: Path) -> None:
    failed = '<c r="A1" t="e"><v>#N/A</v></c>'
    path = write_workbook(tmp_path, {"one": [text_cells("u", "t"), failed + text_cells(None, "x")]})
    assert _read(path, {"user_id": "u", "title": "t"}) == [(2, None, "x")]


def test_of_two_columns_of_one_name_none_is_taken(tmp_path: Path) -> None:
    path = write_workbook(tmp_path, {"one": [text_cells("song", "by", " song"), text_cells("a", "b", "c")]})
    with pytest.raises(AudoticsError, match=r"has 2 columns named 'song'; rename all but one"):
        _read(path, {"title": "song"})
    assert _read(path, {"artist_name": "by"}) == [(2, "b")]


def test_days_may_be_counted_from_1904(tmp_path: Path) -> None:
    rows = [text_cells("day"), '<c r="A1" s="1"><v>0.5</v></c>']
    path = write_workbook(tmp_path, {"one": rows}, properties='<workbookPr date1904="1"/>')
    assert _read(path, {"listened_at": "day"}) == [(2, "1904-01-01 12:00:00")]


def test_columns_are_found_in_the_first_sheet_that_has_them_or_in_the_one_that_is_named(tmp_path: Path) -> None:
    sheets = {
        "profile": [text_cells("user", "mail"), text_cells("ada", "x")],
        "history": ["", text_cells("Song", None, " Artist ", "AA"), text_cells("Roads", "x", "Portishead")],
        "again": [text_cells("Artist", "Song"), text_cells("Björk", "Jóga")],
    }
    path = write_workbook(tmp_path, sheets)
    columns = {"title": "Song", "artist_name": "Artist"}
    assert _read(path, columns) == [(3, "Roads", "Portishead")]
    assert _read(path, columns, "again") == [(2, "Jóga", "Björk")]
    assert _read(path, columns | {"track_id": "ISRC"}, optional=("track_id",)) == [(3, "Roads", "Portishead", None)]
    with pytest.raises(AudoticsError, match=r"no column 'ISRC', .* for track_id; it has Song, Artist, AA"):
        _read(path, columns | {"track_id": "ISRC"})
    with pytest.raises(AudoticsError, match=r"no sheet 'nope'; it has profile, history, again"):
        _read(path, columns, "nope")


def test_a_sheet_of_many_rows_comes_in_batches_and_beyond_column_z(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "BATCH_ROWS", 7)
    rows = ['<c r="AB1" t="str"><v>song</v></c>', *(f'<c r="AB1"><v>{number}</v></c>' for number in range(50))]
    path = write_workbook(tmp_path, {"one": rows})
    assert _read(path, {"title": "song"}) == [(number + 2, str(number)) for number in range(50)]
    assert _read(write_workbook(tmp_path, {"one": rows[:1]}), {"title": "song"}) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-30],
        lambda content: content[:100],
        lambda _: b"plain text",
        lambda _: b"",
        lambda content: content.replace(b"<row r=", b"<row q<", 1),
        lambda content: content.replace(b"sheetData>", b"sheetDxta>", 1),
    ],
)
def test_a_damaged_workbook_is_named(tmp_path: Path, damage) -> None:
    path = write_workbook(tmp_path, {"one": [text_cells("song"), *[text_cells("Roads")] * 100]})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(AudoticsError, match=r"history\.xlsx is not a whole Excel workbook .*fetch or save it again"):
        _read(path, {"title": "song"})


def test_a_workbook_without_its_texts_and_another_zip_are_named_as_damaged(tmp_path: Path) -> None:
    path = write_workbook(tmp_path, {"one": [text_cells("song"), '<c r="A1" t="s"><v>5</v></c>']})
    with pytest.raises(AudoticsError, match="is not a whole Excel workbook"):
        _read(path, {"title": "song"})
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.txt", "x")
    with pytest.raises(AudoticsError, match="is not a whole Excel workbook"):
        _read(path, {"title": "song"})
