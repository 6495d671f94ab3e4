"""Which dates have features, from what they were built, and which of them are still of use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, text

from assets.slates import HORIZON_DAYS
from warehouse.errors import AudoticsError
from warehouse.lake import KEPT_DAYS

# Each after those it is built from.
MARTS = ("feat_user_track", "feat_user", "feat_track", "feat_user_artist", "feat_artist")
# Where there are listens, these hold rows; those of artists may not.
_NEVER_EMPTY = ("feat_user_track", "feat_user", "feat_track")
# Weekly dates that rankers learn from.
FOLDS = 6
# ISO number of the weekday on which rankers are trained by schedule: the folds of those trainings fall on it as well.
TRAINING_WEEKDAY = 1

_LISTENS_VERSION = text("select coalesce(max(version), 0) from builds.models where model = 'core.fct_listens'")
_STALE = text("""
    select dates.as_of
    from unnest(cast(:dates as date[])) as dates (as_of)
    where
        exists (select from raw.listen_days where listened_on < dates.as_of)
        and (
            dates.as_of = any(cast(:without_rows as date[]))
            or not exists (
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
        )
    order by dates.as_of
""")
_NEEDED = text("update builds.feature_dates set built_at = now() where as_of = any(cast(:dates as date[]))")
_RECORD = text("""
    insert into builds.feature_dates (as_of, features_version, listens_version, built_at)
    select as_of, :features_version, :listens_version, now() from unnest(cast(:dates as date[])) as dates (as_of)
    on conflict (as_of) do update
    set features_version = excluded.features_version, listens_version = excluded.listens_version, built_at = now()
""")
_EXPIRE = text("""
    delete from builds.feature_dates
    where
        built_at < now() - cast(:kept as interval)
        and not (
            extract(isodow from as_of) = :weekday
            and as_of > (select max(as_of) from builds.feature_dates) - cast(:trained_on as integer)
        )
    returning as_of
""")
# No digest is empty: what is noted so has been begun and is stale.
_NOT_BUILT = ""


@dataclass(frozen=True)
class FeatureBuild:
    """The dates to build features as of, in order, and what they are built from."""

    stale: list[date]
    features_version: str
    listens_version: int


def fold_dates(as_of: date, folds: int = FOLDS) -> list[date]:
    """The `folds` latest weekly dates whose whole horizon lies before `as_of`, newest first."""
    return [as_of - timedelta(days=HORIZON_DAYS + 7 * week) for week in range(folds)]


def begin_features(connection: Connection, needed: Sequence[date], features_version: str) -> FeatureBuild:
    """Decide which of the needed dates must be built, and note those as begun: known, so that they expire, but stale.

    The age of the others starts again, so that no other run deletes them under this one.
    Hold MODELS_LOCK from here until `finish_features`, and commit before the build begins.
    """
    stale = stale_feature_dates(connection, needed, features_version)
    build = FeatureBuild(stale, features_version, int(connection.scalar(_LISTENS_VERSION) or 0))
    connection.execute(_NEEDED, {"dates": list(needed)})
    _record(connection, build, _NOT_BUILT)
    return build


def finish_features(connection: Connection, build: FeatureBuild, folds: int) -> list[date]:
    """Note that every feature mart has been built as of the stale dates; delete and return the dates of no more use.

    A date expires KEPT_DAYS after a run last needed it. Dates of the weekday of training stay for as long as a weekly
    training of `folds` folds may learn from them: until HORIZON_DAYS and `folds` weeks before the newest date.
    """
    _record(connection, build, build.features_version)
    expired = list(
        connection.scalars(
            _EXPIRE,
            {
                "kept": timedelta(days=KEPT_DAYS),
                "weekday": TRAINING_WEEKDAY,
                "trained_on": HORIZON_DAYS + 7 * folds,
            },
        )
    )
    for mart in MARTS if expired else ():
        connection.execute(text(f"delete from features.{mart} where as_of = any(:expired)"), {"expired": expired})
    return sorted(expired)


def listens_version(connection: Connection, as_of: date) -> int:
    """The version of the listens, as in raw.listen_days, that the features of a date reflect.

    Raises:
        AudoticsError: there are no features as of the date.
    """
    query = text("select listens_version from builds.feature_dates where as_of = :as_of")
    version: int | None = connection.scalar(query, {"as_of": as_of})
    if version is None:
        raise AudoticsError(f"there are no features as of {as_of}: materialise those of the date first")
    return version


def stale_feature_dates(connection: Connection, dates: Sequence[date], features_version: str) -> list[date]:
    """Those of the dates whose features are missing, incomplete, of other models or older than their listens.

    Dates before the first listen have no features and are left out.
    """
    parameters = {
        "dates": list(dates),
        "features_version": features_version,
        "without_rows": _without_rows(connection, dates),
    }
    return list(connection.scalars(_STALE, parameters))


def _without_rows(connection: Connection, dates: Sequence[date]) -> list[date]:
    """Those of the dates for which a mart is missing or empty, whatever is noted: somebody dropped it."""
    empty: set[date] = set()
    for mart in MARTS:
        if connection.scalar(text("select to_regclass(:mart)"), {"mart": f"features.{mart}"}) is None:
            return list(dates)
        if mart in _NEVER_EMPTY:
            statement = (
                "select as_of from unnest(cast(:dates as date[])) as dates (as_of)"
                f" where not exists (select from features.{mart} as mart where mart.as_of = dates.as_of)"
            )
            empty |= set(connection.scalars(text(statement), {"dates": list(dates)}))
    return sorted(empty)


def _record(connection: Connection, build: FeatureBuild, features_version: str) -> None:
    parameters = {"features_version": features_version, "listens_version": build.listens_version}
    connection.execute(_RECORD, {"dates": build.stale, **parameters})
