"""Empty feature marts on a warehouse of listens, and runs that fill them as dbt would."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import Connection, Engine, text

from assets.features.dates import MARTS, begin_features, finish_features, fold_dates, stale_feature_dates
from assets.features.join import ARTIST_COLUMNS, TRACK_COLUMNS
from assets.features.version import features_version
from assets.ranker.training import RankerConfig
from warehouse.engine import create_engine
from warehouse.roles import Role

FOLDS = RankerConfig().folds
MONDAY = date(2026, 3, 2)
DAY = timedelta(days=1)

COLUMNS = {
    "feat_track": ("track_key", *TRACK_COLUMNS),
    "feat_artist": ("artist_key", *ARTIST_COLUMNS),
}


def empty_marts(warehouse_url: str) -> Engine:
    """The role that builds, on a warehouse with listens on the 400 days before MONDAY and empty feature marts."""
    with create_engine(warehouse_url).begin() as connection:
        connection.execute(
            text(
                "drop table builds.models;"
                " create table builds.models (model text primary key, version bigint, definition text);"
                " insert into builds.models values ('core.fct_listens', 1, 'a digest');"
                f" grant select on builds.models to {Role.TRANSFORMER};"
                " insert into raw.listen_days (listened_on, version)"
                f" select date '{MONDAY}' - number, 1 from generate_series(1, 400) as numbers (number)"
            )
        )
    engine = create_engine(warehouse_url, Role.TRANSFORMER)
    with engine.begin() as connection:
        for mart in MARTS:
            columns = "".join(f", {name} integer default 1" for name in COLUMNS.get(mart, ()))
            connection.execute(text(f"create table features.{mart} (as_of date{columns})"))
    return engine


def fill(connection: Connection, dates: Sequence[date]) -> None:
    """What dbt does."""
    for mart in MARTS:
        connection.execute(text(f"delete from features.{mart} where as_of = any(:dates)"), {"dates": list(dates)})
        connection.execute(
            text(f"insert into features.{mart} (as_of) select unnest(cast(:dates as date[]))"), {"dates": list(dates)}
        )


def needed_by(as_of: date, training: bool = False) -> list[date]:
    return [as_of, *(fold_dates(as_of, FOLDS) if training else ())]


def run(engine: Engine, as_of: date, training: bool = False) -> list[date]:
    """One run's feature step; returns the dates it built."""
    with engine.begin() as connection:
        build = begin_features(connection, needed_by(as_of, training), features_version(connection))
    with engine.begin() as connection:
        fill(connection, build.stale)
        finish_features(connection, build, FOLDS)
    return build.stale


def stale(engine: Engine, dates: Sequence[date]) -> list[date]:
    with engine.connect() as connection:
        return stale_feature_dates(connection, dates, features_version(connection))


def let_pass(url: str, days: float) -> None:
    """Make everything that was noted so much older."""
    with create_engine(url).begin() as connection:
        statement = "update builds.feature_dates set built_at = built_at - cast(:passed as interval)"
        connection.execute(text(statement), {"passed": timedelta(days=days)})


def listen(url: str, day: date) -> None:
    """Listens of a day arrive, and core.fct_listens reflects them."""
    with create_engine(url).begin() as connection:
        connection.execute(text("update builds.models set version = version + 1"))
        connection.execute(
            text(
                "insert into raw.listen_days (listened_on, version) select :day, version from builds.models"
                " on conflict (listened_on) do update set version = excluded.version"
            ),
            {"day": day},
        )
