"""How well names tell which tracks are one: 200 hard pairs, labelled by hand, half of them the same recording.

A remaster is the same recording, whatever else stands in brackets is not. `\\uXXXX` in the file is a character that
nobody could see there.
"""

import csv
import re
from pathlib import Path

import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.ingest.load import load_files
from assets.ingest.mapping import Mapping
from assets.ingest.tabular import Tabular
from tests.repository import ROOT

PAIRS = Path(__file__).with_name("name_pairs.tsv")
ADR = ROOT / "docs" / "adr" / "0030-one-track-from-several-names.md"
NAMES = Tabular(
    Mapping.model_validate(
        {
            "source": "names",
            "columns": {"user_id": "user", "artist_name": "artist", "title": "title", "listened_at": "time"},
            "time": {"unit": "s"},
        }
    ),
    "names",
)


@pytest.mark.slow
def test_precision_and_recall_are_those_that_the_decision_states(warehouse_url: str, tmp_path: Path) -> None:
    text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), PAIRS.read_text(encoding="utf-8"))
    pairs = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(pairs) == 200
    path = tmp_path / "names.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "artist", "title", "time"])
        # Each pair is a user's, at times that have nothing to do with each other.
        for number, pair in enumerate(pairs):
            writer.writerow([number, pair["artist"], pair["title"], 1_700_000_000])
            writer.writerow([number, pair["other_artist"], pair["other_title"], 1_700_050_000])
    (report,) = load_files(warehouse_url, NAMES, [path])
    assert report.rows_rejected == 0
    dbt = Dbt(warehouse_url)
    dbt("build", *WITHOUT_TESTS, "--select", "+dim_tracks")
    found = dict(
        dbt.query(
            "select user_id::integer, count(distinct canonical_track_key) = 1 from raw.listens"
            " inner join core.dim_tracks using (track_key) inner join raw.users using (user_key) group by user_id"
        )
    )
    labels = [pair["same"] == "true" for pair in pairs]
    right = sum(found[number] for number, same in enumerate(labels) if same)
    stated = f"precision {right / sum(found.values()):.2f}, recall {right / sum(labels):.2f}"
    assert stated in " ".join(ADR.read_text().split())
