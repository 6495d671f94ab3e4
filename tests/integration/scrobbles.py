"""A table of scrobbles, written and loaded by the command that people run."""

import csv
from collections.abc import Iterable

from pipeline_process import Pipeline

MAPPING = """
source = "lastfm"

[columns]
user_id = "user"
artist_name = "artist"
title = "title"
listened_at = "date"

[time]
unit = "s"
"""
# User, artist, title, seconds since 1970.
Row = tuple[str, str, str, int]


def ingest(pipeline: Pipeline, name: str, rows: Iterable[Row]) -> None:
    """Load the rows from a file of this name, written beside the pipeline's home."""
    folder = pipeline.home.parent
    (folder / "m.toml").write_text(MAPPING)
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([("user", "artist", "title", "date"), *rows])
    pipeline.json("ingest", "tabular", str(folder / name), "--mapping", str(folder / "m.toml"))
