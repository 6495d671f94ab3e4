"""`audotics ingest suggest`: a mapping to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from warehouse.errors import AudoticsError
from warehouse.wording import counted


def suggest(
    file: Annotated[str, typer.Argument(help="CSV, TSV, JSON, Parquet or Excel.", metavar="FILE", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of the screen.")] = None,
    source: Annotated[str | None, typer.Option(help="Name of the service; by default made of the file's name.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose listens they are, if no column says so.")] = None,
) -> None:
    """Write a mapping for a file from its first rows, with what is in doubt as comments. Nothing is loaded.

    Exits with 1 when something that a mapping needs was not found: its lines are commented out, for you to fill in.

    Example: `audotics ingest suggest plays.csv --out plays.toml`
    """
    from assets.ingest.listing import list_files
    from assets.ingest.suggest import suggest as suggest_mapping
    from orchestration.cli.rendering import say

    listed = list_files(file).files
    if len(listed) != 1:
        raise AudoticsError(f"{file} is {counted(len(listed), 'file')}; give one of them")
    suggestion = suggest_mapping(listed[0], source, user)
    if out is None:
        print(suggestion.text, end="")  # noqa: T201
    else:
        _write_new(out, suggestion.text)
        say(f"wrote {out}; see what it makes of the file with `audotics ingest {file} --mapping {out} --dry-run`")
    if suggestion.missing:
        raise AudoticsError(f"the mapping cannot be used as it is: {suggestion.missing}; fill in what is commented out")


def _write_new(out: Path, text: str) -> None:
    try:
        with out.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise AudoticsError(f"{out} is there already; choose another name for --out, or move it away") from error
    except OSError as error:
        raise AudoticsError(f"cannot write {out}: {error.strerror}; choose another place") from error
