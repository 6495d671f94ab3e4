"""What was last said of the newest day as of a date.

Dagster gives a check no other partitions than its asset has, and raw listens have none: there, a run of one date hides
what was said of another. So the verdict of a date is asked of `quality.validations`.
"""

from dataclasses import dataclass
from datetime import date

import dagster as dg
from sqlalchemy import text

from quality.days import CHECK_NAME
from warehouse.engine import create_engine
from warehouse.roles import Role

ASSET = dg.AssetKey(["raw", "listens"])
KEY = dg.AssetCheckKey(ASSET, CHECK_NAME)


@dataclass(frozen=True)
class Verdict:
    """The last one as of a date, and the run that it is from. blocks: whether nothing may be built for that date."""

    run_id: str
    passed: bool
    blocks: bool
    said: str


def last_verdict(instance: dg.DagsterInstance, warehouse_url: str, as_of: date | None) -> Verdict | None:
    """The last verdict as of a date; without a date, that of the latest one which was judged. None where none was."""
    with create_engine(warehouse_url, Role.SERVICE).connect() as connection:
        asked = {"asset": ASSET.to_user_string(), "check_name": CHECK_NAME, "as_of": as_of}
        row = connection.execute(_LAST, asked).one_or_none()
    return None if row is None else Verdict(row.run_id, row.passed, row.blocks, _said(instance, row.run_id))


def _said(instance: dg.DagsterInstance, run_id: str) -> str:
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [event.dagster_event.asset_check_evaluation_data for event in events if event.dagster_event]
    said = [each.description for each in evaluations if each.asset_check_key == KEY and each.description]
    return said[-1] if said else "it says no more than that"


_LAST = text(
    "select run_id, passed, blocks from quality.validations where asset = :asset and check_name = :check_name"
    " and as_of is not null and as_of = coalesce(cast(:as_of as date), as_of)"
    " order by as_of desc, validation_id desc limit 1"
)
