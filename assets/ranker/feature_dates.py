"""Which dates have features, from what they were built, and which of them are still of use."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import Connection, text

from warehouse.lake import KEPT_DAYS

MARTS = ("feat_user_track", "feat_user", "feat_track", "feat_user_artist", "feat_artist")

_LISTENS_VERSION = text("select coalesce(max(version), 0) from builds.models where model = 'fct_listens'")
_STALE = text("""
    select dates.as_of
    from unnest(cast(:dates as date[])) as dates (as_of)
    where
        exists (select from raw.listen_days where listened_on < dates.as_of)
        and not exists (
            select
            from builds.feature_dates as built
            where
                built.as_of = dates.as_of
                and built.features_version = :features_version
                and not exists (
                    select from raw.listen_days as days
                    where days.listened_on < dates.as_of and days.version > built.listens_version
                )
        )
    order by dates.as_of
""")
_RECORD = text("""
    insert into builds.feature_dates (as_of, features_version, listens_version, built_at)
    select as_of, :features_version, :listens_version, now() from unnest(cast(:dates as date[])) as dates (as_of)
    on conflict (as_of) do update
    set features_version = excluded.features_version, listens_version = excluded.listens_version, built_at = now()
""")


def stale_feature_dates(connection: Connection, dates: Sequence[date], features_version: str) -> list[date]:
    """Those of the dates whose features are missing, incomplete, of other models or older than their listens.

    Dates before the first listen have no features and are left out.
    """
    return list(connection.scalars(_STALE, {"dates": list(dates), "features_version": features_version}))


def listens_version(connection: Connection) -> int:
    """The number of the last change of the listens that core.fct_listens reflects; ask before features are built."""
    return int(connection.scalar(_LISTENS_VERSION) or 0)


def record_feature_dates(
    connection: Connection, dates: Sequence[date], features_version: str, listens_version: int
) -> None:
    """Note that every feature mart has been built as of these dates."""
    parameters = {"dates": list(dates), "features_version": features_version, "listens_version": listens_version}
    connection.execute(_RECORD, parameters)


def drop_expired_features(connection: Connection, needed: Sequence[date]) -> list[date]:
    """Delete the features of dates that nobody needs any more, and return those dates.

    A date expires KEPT_DAYS after its features were built, unless it is among `needed`.
    """
    expired = list(
        connection.scalars(
            text(
                "delete from builds.feature_dates where built_at < now() - cast(:kept as interval)"
                " and as_of <> all(cast(:needed as date[])) returning as_of"
            ),
            {"kept": timedelta(days=KEPT_DAYS), "needed": list(needed)},
        )
    )
    for mart in MARTS if expired else ():
        connection.execute(text(f"delete from features.{mart} where as_of = any(:expired)"), {"expired": expired})
    return sorted(expired)
