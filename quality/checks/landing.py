"""The check of the landing folder: what lies there and is not loaded."""

import dagster as dg
from sqlalchemy import text

from quality.checks.tables import table_of
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.wording import about, counted


@dg.asset_check(
    asset=["raw", "ingest_files"],
    name="landed_files_loaded",
    description="Everything in the landing folder is loaded, or goes with what is. It stops nothing: what could not be"
    " loaded is set aside, with its reason, until it is repaired or gone.",
)
def landed_files_check(warehouse: PostgresResource) -> dg.AssetCheckResult:
    """List what lies in the landing folder and is not loaded."""
    with create_engine(warehouse.url, Role.LOADER).connect() as connection:
        faulty = connection.execute(_FAULTY).all()
    if not faulty:
        return dg.AssetCheckResult(
            passed=True, description="everything that has landed is loaded", metadata={"not_loaded": 0}
        )
    first = "; ".join(about(row.file, row.reason) for row in faulty[:_FAULTY_NAMED])
    more = f"; and {len(faulty) - _FAULTY_NAMED:,} more" if len(faulty) > _FAULTY_NAMED else ""
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{counted(len(faulty), 'file', ('has a fault', 'have a fault'))}: {first}{more}",
        metadata={"files": table_of([dict(row._mapping) for row in faulty[:_FAULTY_SHOWN]]), "not_loaded": len(faulty)},
    )


_FAULTY_SHOWN, _FAULTY_NAMED = 500, 3
_FAULTY = text(
    "select path as file, fault as reason, is_set_aside as set_aside, tries,"
    " to_char(since, 'YYYY-MM-DD HH24:MI \"UTC\"') as since"
    " from raw.landed_files where fault is not null order by path"
)
