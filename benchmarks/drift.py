"""What it takes to tell how far features have moved, on a mart of made-up rows of any number, and prints it.

    python -m benchmarks.drift --rows 5000000

The mart is `feat_user_track` with its columns, types and index, as of two dates; each holds the number of rows.
"""

import argparse
import resource
import time
from datetime import date

from sqlalchemy import Connection, text

from assets.drift.features import measure_mart, rows_of
from assets.drift.spreads import bin_counts, quantile_edges
from benchmarks.pipeline import own_home
from warehouse.engine import create_engine
from warehouse.roles import Role

_AS_OF, _REFERENCE = date(2026, 3, 9), date(2026, 3, 2)
# Nine in ten pairs are older than a month; most have one or two listens, a few have hundreds.
_FILL = """
create table features.feat_user_track as
select
    day as as_of,
    (n / 500)::int as user_key,
    (n % 500)::int as track_key,
    listens,
    case when age < 7 then listens else 0 end as listens_7d,
    case when age < 30 then listens else 0 end as listens_30d,
    case when age < 90 then listens else 0 end as listens_90d,
    (1 + listens / 3)::bigint as sessions,
    listens * exp(-age / 60) as decayed_listens,
    age + random() * 100 as days_since_first,
    age as days_since_last,
    case when n % 3 = 0 then listens / 4 end as skips,
    (case when n % 3 = 0 then listens else 0 end)::bigint as listens_with_skip_known
from (
    select day, n, (1 + power(-ln(1 - random()), 2))::bigint as listens, -ln(1 - random()) * 200 as age
    from unnest(array[{dates}]) as days (day) cross join generate_series(1, {rows}) as n (n)
) as drawn;
create index on features.feat_user_track (as_of, user_key);
create table features.feat_user as select distinct as_of, user_key, 1 as listens_7d from features.feat_user_track;
analyze features.feat_user_track;
"""


def main() -> None:
    """Fills a warehouse of its own and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows as of each of the two dates")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with own_home() as platform:
        with create_engine(platform.warehouse_url, Role.TRANSFORMER).begin() as connection:
            days = f"date '{_AS_OF}', date '{_REFERENCE}'"
            connection.execute(text(_FILL.format(dates=days, rows=arguments.rows)))
        with create_engine(platform.warehouse_url, Role.SERVICE).connect() as connection:
            for _ in range(arguments.rounds):
                measure(connection)


def measure(connection: Connection) -> None:
    """One round: deciles and bins of every row, and what a check does."""
    started = time.perf_counter()
    rows = rows_of(connection, "feat_user_track")
    edges = quantile_edges(connection, rows, _REFERENCE)
    cut = time.perf_counter()
    bin_counts(connection, rows, _REFERENCE, _AS_OF, edges)
    counted = time.perf_counter()
    found = measure_mart(connection, "feat_user_track", _AS_OF, {})
    ended = time.perf_counter()
    most = max(each.value or 0.0 for each in found.observations if each.metric.startswith("psi of"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"deciles of every row {cut - started:.1f} s, bins {counted - cut:.1f} s; a check {ended - counted:.1f} s;"
        f" {len(found.observations)} figures, the largest PSI {most:.4f}; this process {memory:,.0f} MB"
    )


if __name__ == "__main__":
    main()
