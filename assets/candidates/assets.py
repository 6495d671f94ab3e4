"""Candidates of every user as of a date."""

from contextlib import ExitStack
from datetime import date

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from assets.candidates.anchors import Anchors
from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.candidates.registry import needed_facts
from assets.candidates.session_cooccurrence import SessionCooccurrence
from assets.catalogue import read_catalogue, read_titles
from assets.listens import USERS_PER_BATCH, read_listens, require_listens_before
from assets.partitions import AS_OF_PARTITIONS, NIGHTLY, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.slates import Slate
from assets.staleness import code_digest
from quality.checks.suites import build_lake_check
from quality.checks.upstream import stop_on_failed_checks
from quality.suites import lake as lake_suites
from warehouse.engine import adbc_reader, create_engine
from warehouse.lake import Lake
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role


def candidates_path(as_of: date, slate: Slate) -> str:
    """Where in the lake the candidates of a slate lie; one row group per batch of users."""
    return f"candidates/as_of={as_of.isoformat()}/{slate}.parquet"


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="candidates",
    kinds={"python", "parquet"},
    owners=OWNERS,
    freshness_policy=NIGHTLY,
    code_version=code_digest("assets.candidates.pool", "assets.candidates.anchors"),
    deps=[dg.AssetKey(["core", name]) for name in ("fct_listens", "dim_tracks", "dim_unlikely_listeners")],
)
def candidates(context: dg.AssetExecutionContext, warehouse: PostgresResource, lake: LakeResource) -> Materialized:
    """Tracks put forward for every user with a listen before `as_of`: each source's score and rank, and the anchors."""
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    sources, names = _read(warehouse, as_of)
    anchors = Anchors(sources.history, sources.fitted(SessionCooccurrence), names)
    # Of all the titles, anchors keep a number each.
    del names
    store = lake.open()
    rows = _write(store, as_of, sources, anchors)
    store.expire("candidates")
    users = len(sources.history.users)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(rows.values()),
            "users": users,
            "sources": ", ".join(sources.pooled),
            **{f"candidates_per_user/{slate}": round(rows[slate] / users, 1) for slate in Slate},
        }
    )


def _read(warehouse: PostgresResource, as_of: date) -> tuple[Sources, pd.DataFrame]:
    """The sources of everything before `as_of`, and the names of tracks; AudoticsError without any.

    The listens themselves are let go before the first source is fitted.
    """
    config = SourcesConfig()
    with create_engine(warehouse.url, Role.SERVICE).connect() as asking:
        require_listens_before(asking, as_of)
    with adbc_reader(warehouse.url, Role.SERVICE) as connection:
        listens = read_listens(connection, as_of)
        names = read_titles(connection)
        catalogue = read_catalogue(connection, needed_facts(config.sizes))
    return fit_sources(listens, as_of, config, catalogue), names


def _write(lake: Lake, as_of: date, sources: Sources, anchors: Anchors) -> dict[Slate, int]:
    """Write the candidates of everyone, batch by batch and the same users in each file; return the rows by slate."""
    users = sources.history.users.astype(np.int32)
    rows = dict.fromkeys(Slate, 0)
    with ExitStack() as files:
        writers = {slate: files.enter_context(lake.parquet_writer(candidates_path(as_of, slate))) for slate in Slate}
        for start in range(0, len(users), USERS_PER_BATCH):
            pools = sources.candidates_by_slate(users[start : start + USERS_PER_BATCH], list(Slate))
            for slate, pool in pools.items():
                rows[slate] += writers[slate](pa.Table.from_pandas(anchors.add_to(pool), preserve_index=False))
    return rows


candidates_check = build_lake_check(
    lake_suites.candidates, lambda _, as_of: {slate: candidates_path(as_of, slate) for slate in Slate}, AS_OF_PARTITIONS
)
