"""What PostgreSQL's planner knows of a table that was just filled."""

from typing import Any

# As autovacuum's default: a table is analysed again when a tenth of it has changed.
_GROWN = """
select format('%I.%I', nspname, relname)
from pg_class
inner join pg_namespace on pg_namespace.oid = relnamespace
where
    relkind = 'r' and nspname = 'raw'
    and pg_relation_size(pg_class.oid) > 1.1 * greatest(relpages, 0) * current_setting('block_size')::bigint
order by 1
"""


def analyse_raw(cursor: Any) -> None:
    """Analyse the raw tables that have grown by more than a tenth since they last were, or that never were.

    Autovacuum comes to them by itself, a minute or more later. What reads them until then is planned as if they had a
    page or ten: the first release of a warehouse joins every list with the whole catalogue.

    Before PostgreSQL 17 only their owner may; it then warns, and leaves them to autovacuum.

    Args:
        cursor: psycopg2's or ADBC's, as the loader, in a transaction of its own.
    """
    cursor.execute(_GROWN)
    grown = [table for (table,) in cursor.fetchall()]
    if grown:
        cursor.execute(f"analyze {', '.join(grown)}")
