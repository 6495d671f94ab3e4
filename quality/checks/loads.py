"""The check of what was loaded: files whose rows may each be true, and that are unlike the files and days before."""

from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import Any

import dagster as dg
from sqlalchemy import Connection, text

from quality.checks.accepted import is_accepted
from quality.checks.evidence import evidence
from quality.checks.tables import Row, table_of
from quality.failing import first_rows
from quality.load_faults import LoadFigure, judge_loads
from quality.load_verdicts import CHECK_NAME, NEWEST, Verdicts, as_refused, read_verdicts, segment_of
from quality.loads import read_loads
from quality.observations import Observation, Validation, keep
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.wording import counted

_ASSET = ["raw", "listens"]
_FILES_NAMED, _FILES_SHOWN = 3, 500
_ROWS_SHOWN = 24
_NONE = Verdicts()


@dg.asset_check(
    asset=_ASSET,
    name=CHECK_NAME,
    blocking=True,
    description="Of each file since the last ones that passed: how many rows are refused or were there before, whether"
    " it was cut, how much of it is one artist or track, unknown or without names, against earlier files and days. What"
    " cannot be right stops the night until the load is undone, or a later run accepts what was named.",
)
def loads_check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Judge the files that nobody has let pass yet."""
    run = context.op_execution_context
    accepting = is_accepted(context, dg.AssetCheckKey(dg.AssetKey(_ASSET), CHECK_NAME))
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        verdicts = read_verdicts(connection, run.run_id)
    with create_engine(warehouse.url, Role.LOADER).connect() as connection:
        newest = newest_file(connection)
        figures = judge(connection, verdicts)
        accepted = as_refused(connection, verdicts) if accepting else set()
        rows = _evidence(connection, figures)
    unseen = {each.load.file_id for each in figures if each.blocks} - accepted
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        of_run = Validation("/".join(_ASSET), CHECK_NAME, run.run_id)
        keep(connection, of_run, observations(newest, figures), accepted=not unseen)
    odd = any(each.odd for each in figures)
    return dg.AssetCheckResult(
        passed=not odd,
        severity=dg.AssetCheckSeverity.ERROR if unseen else dg.AssetCheckSeverity.WARN,
        description=(_accepted(unseen) if accepting and odd else "") + said(figures),
        metadata=_figures(figures) | rows,
    )


def _accepted(unseen: Collection[int]) -> str:
    """What a run that accepts files says first; unseen: those that it does not, as nobody can have seen them."""
    if not unseen:
        return "accepted although "
    files = counted(len(unseen), "file", ("stops", "stop"))
    return f"{files} the night that no verdict before this one named, so a run after this one may accept them: "


def newest_file(connection: Connection) -> int:
    """The key of the newest load, 0 where there is none."""
    return int(connection.execute(_NEWEST_FILE).scalar_one())


def observations(newest: int, figures: Sequence[LoadFigure]) -> list[Observation]:
    """What is kept: the figures, and the newest file there was when they were measured."""
    known = Observation(NEWEST, newest, True, "files up to this one are judged", severity="info")
    return [known, *(_observation(each) for each in figures)]


def judge(connection: Connection, verdicts: Verdicts = _NONE) -> list[LoadFigure]:
    """The figures of the files that came since files were let pass. Asks as the loader."""
    return judge_loads(read_loads(connection, verdicts))


def said(figures: Sequence[LoadFigure]) -> str:
    """What is wrong, file by file, and what to do."""
    odd = [each for each in figures if each.odd]
    if not odd:
        return f"{counted(len({each.load.file_id for each in figures}), 'file', ('is', 'are'))} as usual"
    told = "; ".join(_named(each) for each in odd[:_FILES_NAMED])
    more = f"; and {len(odd) - _FILES_NAMED:,} more" if len(odd) > _FILES_NAMED else ""
    blocking = dict.fromkeys(each.load.file_id for each in odd if each.blocks)
    undo = " or ".join(f"`audotics ingest forget {file_id}`" for file_id in list(blocking)[:_FILES_NAMED])
    return f"{told}{more}" + (f". Undo the load: {undo}" if blocking else "")


def _named(figure: LoadFigure) -> str:
    harmless = "" if figure.matters else " (it is small beside a usual day, or no day is usual yet: it stops nothing)"
    return f"{PurePath(figure.load.path).name} (file_id {figure.load.file_id}): {figure.said}{harmless}"


def _observation(figure: LoadFigure) -> Observation:
    return Observation(
        metric=figure.figure,
        value=figure.value,
        passed=not figure.odd,
        expectation=f"{figure.figure} of a file are at most as many as usual",
        severity="critical" if figure.blocks else "warning",
        segment=segment_of(figure.load.file_id),
        high=figure.told,
    )


def _figures(figures: Sequence[LoadFigure]) -> dict[str, Any]:
    rows: list[Row] = [
        {
            "file_id": each.load.file_id,
            "path": each.load.path,
            "figure": each.figure,
            "value": each.value,
            "told_above": each.told,
            "blocks_above": each.most,
            "odd": each.odd,
            "blocks": each.blocks,
        }
        for each in sorted(figures, key=lambda figure: not figure.odd)[:_FILES_SHOWN]
    ]
    return {
        "files": len({each.load.file_id for each in figures}),
        "odd": sum(each.odd for each in figures),
        "figures": table_of(rows),
    }


def _evidence(connection: Connection, figures: Sequence[LoadFigure]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in [figure for figure in figures if figure.odd][:_FILES_NAMED]:
        # Other rows where those of the query say what may not be kept as long as Dagster keeps what a check says.
        rows = first_rows(connection, each.shown or each.rows, _ROWS_SHOWN)
        found |= evidence(f"{each.figure} of file {each.load.file_id}", each.rows, rows)
    return found


# Keys of loads are given in the order in which they end.
_NEWEST_FILE = text("select coalesce(max(file_id), 0) from raw.ingest_files")
