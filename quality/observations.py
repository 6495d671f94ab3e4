"""What the gates observed, kept with its bounds and the verdict: `quality.validations` and `quality.observations`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

from sqlalchemy import Connection, text

Severity = Literal["critical", "warning", "info"]
ALL = "all"


@dataclass(frozen=True)
class Observation:
    """A figure of something that was judged, and what it may be.

    value: None where it could not be measured. low, high: the bounds, None where there is none. learned_from,
    learned_to: the days that the bounds were learned from, None where they are fixed.
    """

    metric: str
    value: float | None
    passed: bool
    expectation: str
    severity: Severity = "critical"
    segment: str = ALL
    low: float | None = None
    high: float | None = None
    learned_from: date | None = None
    learned_to: date | None = None


@dataclass(frozen=True)
class Validation:
    """What was judged: an asset, such as core/fct_listens, by a check, in a run. as_of: None where it has no date."""

    asset: str
    check_name: str
    run_id: str
    as_of: date | None = None


@dataclass(frozen=True)
class Past:
    """A figure of an earlier date."""

    as_of: date
    metric: str
    segment: str
    value: float


def blocks(observations: Iterable[Observation], *, accepted: bool = False) -> bool:
    """Whether what comes after what was observed may not be built; accepted: an operator says that it may."""
    return not accepted and any(not each.passed and each.severity == "critical" for each in observations)


def keep(
    connection: Connection,
    validation: Validation,
    observations: Sequence[Observation],
    *,
    page: str | None = None,
    accepted: bool = False,
) -> None:
    """Keep what was observed, in place of what the same check of the same run had observed before.

    page: its page of Data Docs. accepted: an operator lets what comes after it be built all the same.
    """
    judged = asdict(validation)
    passed = all(each.passed for each in observations)
    verdict = {"passed": passed, "blocks": blocks(observations, accepted=accepted), "page": page}
    connection.execute(_FORGET, judged)
    validation_id: int = connection.execute(_KEEP_VALIDATION, judged | verdict).scalar_one()
    if observations:
        rows = [{"validation_id": validation_id, **asdict(each)} for each in observations]
        connection.execute(_KEEP_OBSERVATIONS, rows)


def past(connection: Connection, asset: str, check_name: str, before: date, days: int) -> list[Past]:
    """The figures that a check observed as of the `days` dates before one, newest first: of each date the last ones.

    What stopped a night is not what is usual. Where a fault was accepted, the world has changed: nothing is told of the
    dates before.
    """
    asked = {"asset": asset, "check_name": check_name, "before": before, "days": days}
    return [Past(**row) for row in connection.execute(_PAST, asked).mappings()]


_FORGET = text(
    "delete from quality.validations where run_id = :run_id and asset = :asset and check_name = :check_name"
    " and as_of is not distinct from cast(:as_of as date)"
)
_KEEP_VALIDATION = text(
    "insert into quality.validations (asset, check_name, as_of, run_id, validated_at, passed, blocks, page)"
    " values (:asset, :check_name, :as_of, :run_id, clock_timestamp(), :passed, :blocks, :page) returning validation_id"
)
_KEEP_OBSERVATIONS = text(
    "insert into quality.observations (validation_id, metric, segment, value, low, high, learned_from, learned_to,"
    " expectation, severity, passed) values (:validation_id, :metric, :segment, :value, :low, :high, :learned_from,"
    " :learned_to, :expectation, :severity, :passed)"
)
_PAST = text(
    "select as_of, metric, segment, value from (select distinct on (as_of) validation_id, as_of"
    " from quality.validations where asset = :asset and check_name = :check_name"
    " and as_of >= :before - cast(:days as integer) and as_of < :before and not blocks"
    " and as_of >= coalesce((select max(as_of) from quality.validations where asset = :asset"
    " and check_name = :check_name and as_of < :before and not blocks and exists (select from quality.observations"
    " where observations.validation_id = validations.validation_id and not observations.passed"
    " and severity = 'critical')), '-infinity')"
    " order by as_of desc, validation_id desc) as newest inner join quality.observations using (validation_id)"
    " where value is not null order by as_of desc, metric, segment"
)
