"""Excel workbooks as small as they can be, for tests."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STYLES = f"""<styleSheet {_MAIN}><numFmts><numFmt numFmtId="164" formatCode="[$-407]dd.mm.yyyy&quot;s&quot;"/>
<numFmt numFmtId="165" formatCode="0.00 &quot;days&quot;"/></numFmts>
<cellXfs><xf numFmtId="0"/><xf numFmtId="22"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>"""


def text_cells(*values: str | None) -> str:
    """Return the cells of a row of texts; None for an empty cell."""
    return "".join(
        f'<c r="{chr(65 + place)}1" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        for place, value in enumerate(values)
        if value is not None
    )


def write_workbook(
    folder: Path, sheets: dict[str, list[str]], shared: str = "", properties: str = "", name: str = "history.xlsx"
) -> Path:
    """Write a workbook with the cells of each row of each sheet."""
    path = folder / name
    names = "".join(
        f'<sheet name="{sheet}" sheetId="{number}" r:id="r{number}"/>' for number, sheet in enumerate(sheets, 1)
    )
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(
            "xl/workbook.xml",
            f'<workbook {_MAIN} xmlns:r="{_RELATIONS}">{properties}<sheets>{names}</sheets></workbook>',
        )
        links = "".join(
            f'<Relationship Id="r{number}" Target="{"/xl/" if number == 2 else ""}worksheets/s{number}.xml"/>'
            for number in range(1, len(sheets) + 1)
        )
        packed.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{links}</Relationships>")
        packed.writestr("xl/styles.xml", _STYLES)
        if shared:
            packed.writestr("xl/sharedStrings.xml", f"<sst {_MAIN}>{shared}</sst>")
        for number, rows in enumerate(sheets.values(), 1):
            data = "".join(f'<row r="{row}">{cells}</row>' for row, cells in enumerate(rows, 1))
            packed.writestr(
                f"xl/worksheets/s{number}.xml", f"<worksheet {_MAIN}><sheetData>{data}</sheetData></worksheet>"
            )
    return path
