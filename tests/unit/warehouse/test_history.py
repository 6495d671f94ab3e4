"""How far back the warehouse goes is written in one place."""

import re

from tests.repository import ROOT

CODE = ("warehouse", "serving_api", "quality", "assets", "orchestration", "dbt_project/models", "dbt_project/macros")
_EARLIEST = re.compile(r"2000-01-01|date(time)?\(2000|before[ _]2000|year\D{1,8}2000|FIRST_YEAR")


def test_the_earliest_day_is_written_once() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in CODE
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".sql"} and _EARLIEST.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["warehouse/history.py"]
