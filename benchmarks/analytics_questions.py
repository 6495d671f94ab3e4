"""The questions of docs/analytics.md, for the benchmark that times them and the test that runs them."""

import re
from dataclasses import dataclass
from pathlib import Path

_PAGE = Path(__file__).parents[1] / "docs" / "analytics.md"
_QUESTION = re.compile(r"^### (\d+\. .+?)\n.*?^```sql\n(.+?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Question:
    """A question, with its number, and the query that answers it."""

    title: str
    sql: str


def read_questions() -> list[Question]:
    """Every question of the page, in its order."""
    return [Question(*found) for found in _QUESTION.findall(_PAGE.read_text(encoding="utf-8"))]
