"""Headers that are none, and messages about them that stay short."""

from pathlib import Path

import pytest

from assets.ingest.delimited import Layout, read_delimited
from tests.exports import write
from tests.input_files import input_file
from warehouse.errors import AudoticsError

CSV = Layout(delimiter=",", quoted=True)
TSV = Layout(delimiter="\t", quoted=False)
COLUMNS = {"title": "name", "user_id": "user"}


@pytest.mark.parametrize("layout", [CSV, TSV])
def test_a_first_line_too_long_for_a_header_is_refused_with_its_length(tmp_path: Path, layout: Layout) -> None:
    path = write(tmp_path / "listens.csv", f"{'x' * 3_000_000}\nuser,name\n")
    with pytest.raises(AudoticsError, match=r"listens\.csv: the header, line 1, has 3,000,000 characters"):
        list(read_delimited(input_file(path), layout, COLUMNS))


def test_of_many_columns_those_that_a_file_has_are_named_in_a_message_of_one_screen(tmp_path: Path) -> None:
    path = write(tmp_path / "listens.csv", ",".join(f"column{number}" for number in range(5000)) + "\n")
    with pytest.raises(AudoticsError, match=r"it has column0, column1, .*…") as raised:
        list(read_delimited(input_file(path), CSV, COLUMNS))
    assert len(str(raised.value)) < 1000
