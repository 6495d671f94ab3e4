"""Exports of services as small files, and what would be loaded of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assets.ingest.formats.recognise import recognise
from assets.ingest.preview import Preview, preview_files
from warehouse.errors import AudoticsError


def write(path: Path, content: Any) -> Path:
    """Write a text, or data as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def preview(path: Path, name: str | None = None, user: str | None = None, zone: str | None = None) -> list[Preview]:
    """Return what would be loaded of each file of listens there, all of whose rows are accounted for."""
    refused: list[AudoticsError] = []
    previews = preview_files(recognise(str(path), name, user, zone=zone).source, [path], refused)
    assert not refused, refused
    for each in previews:
        assert each.rows_read == each.listens + each.rows_rejected + each.rows_left_out
    return previews


def listens(previews: Iterable[Preview], *columns: str) -> list[tuple[Any, ...]]:
    """The first listens; times as text."""
    rows = [row | {"listened_at": f"{row['listened_at']:%F %T}"} for each in previews for row in each.first_listens]
    return [tuple(row[column] for column in columns) for row in rows]
