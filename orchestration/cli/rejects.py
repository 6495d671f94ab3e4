"""`audotics rejects`: rows that could not become listens."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.options import AsJson

if TYPE_CHECKING:
    from assets.ingest.rejected import RejectedOfFile

app = typer.Typer(help="Rows of loaded files that could not become listens, and why.", no_args_is_help=True)

_ROWS_SHOWN = 20

File = Annotated[
    int | None, typer.Option("--file", help="Of this load only, by its id in `ingest list`.", metavar="FILE_ID")
]
Reason = Annotated[str | None, typer.Option(help="For this reason only.")]


@app.command("list")
def list_(
    file: File = None,
    reason: Reason = None,
    rows: Annotated[int, typer.Option(help="How many rows of the file to show.", min=0)] = _ROWS_SHOWN,
    as_json: AsJson = False,
) -> None:
    """Count rejected rows by file and reason; with --file, show the first of them with their mapped fields.

    Example: `audotics rejects list --file 7 --reason bad_timestamp`
    """
    from assets.ingest.rejected import read_rejected, rejected_rows
    from orchestration.cli.rendering import print_json
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    with open_platform().transaction(Role.LOADER) as connection:
        found = read_rejected(connection, file, reason)
        first = list(rejected_rows(connection, file, reason, rows)) if file is not None and rows else []
    if as_json:
        shown = {} if file is None else {"rows": [_without_file(row) for row in first]}
        print_json({"files": [{**_as_json(each), **shown} for each in found]})
    else:
        _print(found, first)


def _as_json(found: "RejectedOfFile") -> dict[str, Any]:
    return {
        "file_id": found.file_id,
        "file": found.path,
        "rows_rejected": sum(found.reasons.values()),
        "reasons": found.reasons,
        "expired_at": found.expired_at and found.expired_at.isoformat(),
    }


def _without_file(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("file_id", "path")}


def _print(found: "list[RejectedOfFile]", first: list[dict[str, Any]]) -> None:
    from orchestration.cli.rendering import print_table, say

    if not found:
        say("no rows are rejected")
        return
    counts = [
        (each.file_id, Path(each.path).name, reason, rows) for each in found for reason, rows in each.reasons.items()
    ]
    print_table("rejected rows", ("id", "file", "reason", "rows"), counts)
    for row in first:
        fields = json.dumps(row["fields"], ensure_ascii=False) if row["fields"] else "(not split into fields)"
        say(f"line {row['line']}: {row['reason']} {fields}")
    for each in found:
        if each.expired_at:
            say(f"{each.file_id}: the rows themselves expired on {each.expired_at:%Y-%m-%d} (AUDOTICS_REJECTS_DAYS)")
