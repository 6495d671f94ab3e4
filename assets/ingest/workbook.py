"""Excel workbooks (.xlsx): the sheets of one, and the cells of a sheet as text, row after row."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO
from xml.etree import ElementTree
from zipfile import ZipFile

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# Of Excel's own number formats, those that show days and times.
_DATE_FORMATS = {*range(14, 23), *range(45, 48)}
# What is left of a format without the texts, colours and escapes in it says whether it shows a day or a time.
_FORMAT_NOISE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')
_LETTERS = re.compile(r"[A-Z]+")


class Workbook:
    """A workbook that is open.

    Attributes:
        sheets: the file of each sheet within the workbook, by name, in order.

    Raises:
        KeyError, xml.etree.ElementTree.ParseError, zipfile.BadZipFile: the file is not a whole workbook.
    """

    def __init__(self, packed: ZipFile) -> None:
        self._packed = packed
        book = self._parsed("xl/workbook.xml")
        links = {link.get("Id"): link.get("Target", "") for link in self._parsed("xl/_rels/workbook.xml.rels")}
        self.sheets = {
            sheet.get("name", ""): _within_book(links[sheet.get(_RELATION)]) for sheet in book.iter(f"{_MAIN}sheet")
        }
        properties = book.find(f"{_MAIN}workbookPr")
        from_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        # Day 60 of the other count is a 29 February 1900 that never was.
        self._first_day = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)
        names = set(packed.namelist())
        self._texts = self._shared_texts() if "xl/sharedStrings.xml" in names else []
        self._date_styles = self._styles_of_dates() if "xl/styles.xml" in names else set()

    def rows(self, sheet: str) -> Iterator[tuple[int, dict[int, str], float]]:
        """Yield number (from 1), filled cells by column (from 0) and part of the sheet read, of each row with cells.

        Days and times come in ISO 8601, without the parts of a second.
        """
        name, number = self.sheets[sheet], 0
        size = self._packed.getinfo(name).file_size
        with self._packed.open(name) as stream:
            for row in _elements(stream, f"{_MAIN}sheetData", f"{_MAIN}row"):
                number = int(row.get("r") or number + 1)
                if cells := dict(self._cells(row)):
                    yield number, cells, stream.tell() / max(size, 1)

    def _cells(self, row: ElementTree.Element) -> Iterator[tuple[int, str]]:
        column = -1
        for cell in row:
            place = _LETTERS.match(cell.get("r", ""))
            column = _column(place[0]) if place else column + 1
            if text := self._text(cell):
                yield column, text

    def _text(self, cell: ElementTree.Element) -> str:
        kind = cell.get("t")
        if kind == "inlineStr":
            inline = cell.find(f"{_MAIN}is")
            return "" if inline is None else _joined(inline)
        value = cell.findtext(f"{_MAIN}v") or ""
        if kind == "s" and value:
            return self._texts[int(value)]
        if kind == "e":
            # What stands there is the name of the error, such as #N/A.
            return ""
        if kind == "b":
            return "true" if value == "1" else "false"
        if value and kind in (None, "n") and cell.get("s") in self._date_styles:
            return self._moment(value)
        return value

    def _moment(self, days: str) -> str:
        try:
            moment = self._first_day + timedelta(seconds=round(float(days) * 86_400))
        except (OverflowError, ValueError):
            # No calendar has such a day, so it stays what it is.
            return days
        return moment.isoformat(sep=" ")

    def _shared_texts(self) -> list[str]:
        with self._packed.open("xl/sharedStrings.xml") as stream:
            return [_joined(entry) for entry in _elements(stream, f"{_MAIN}sst", f"{_MAIN}si")]

    def _styles_of_dates(self) -> set[str]:
        styles = self._parsed("xl/styles.xml")
        own = {
            int(style.get("numFmtId", "0"))
            for style in styles.iter(f"{_MAIN}numFmt")
            if re.search("[dmyhs]", _FORMAT_NOISE.sub("", style.get("formatCode", "").lower()))
        }
        cells = styles.find(f"{_MAIN}cellXfs")
        formats = [] if cells is None else [int(style.get("numFmtId", "0")) for style in cells]
        return {str(place) for place, found in enumerate(formats) if found in own | _DATE_FORMATS}

    def _parsed(self, name: str) -> ElementTree.Element:
        with self._packed.open(name) as stream:
            return ElementTree.parse(stream).getroot()


def _elements(stream: IO[bytes], parent: str, wanted: str) -> Iterator[ElementTree.Element]:
    """Yield elements as they are read; those before are forgotten."""
    holder: ElementTree.Element | None = None
    for event, element in ElementTree.iterparse(stream, events=("start", "end")):
        if event == "start" and element.tag == parent:
            holder = element
        elif event == "end" and element.tag == wanted and holder is not None:
            yield element
            holder.clear()


def _joined(entry: ElementTree.Element) -> str:
    """Return the text of a cell, in one piece or several, without what says how to pronounce it."""
    pieces = (piece for path in (f"{_MAIN}t", f"{_MAIN}r/{_MAIN}t") for piece in entry.iterfind(path))
    return "".join(piece.text or "" for piece in pieces)


def _within_book(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
