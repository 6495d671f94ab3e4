"""What verdicts before said of files: which they let pass, which they refused, which they called odd."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

CHECK_NAME = "loads_are_as_usual"
NEWEST = "newest file"
_SEGMENT = "file: "


@dataclass(frozen=True)
class LetPass:
    """The last verdict that let files pass: the newest file it knew, and when, in ISO 8601."""

    file_id: int
    at: str


@dataclass(frozen=True)
class Refused:
    """The files that the last verdict that stopped a night named, and when, in ISO 8601."""

    file_ids: frozenset[int]
    at: str


@dataclass(frozen=True)
class Verdicts:
    """What is known of files before a run judges them. odd: those that the last verdict on them called so."""

    passed: LetPass | None = None
    refused: Refused | None = None
    odd: frozenset[int] = frozenset()


def segment_of(file_id: int) -> str:
    """The segment of the observations of a file."""
    return f"{_SEGMENT}{file_id}"


def read_verdicts(connection: Connection, run_id: str) -> Verdicts:
    """The verdicts before that of a run. Asks as the service."""
    asked = {"check_name": CHECK_NAME, "newest": NEWEST, "run_id": run_id, "segment": f"{_SEGMENT}%"}
    passed = connection.execute(_LET_PASS, asked).one_or_none()
    refused = connection.execute(_REFUSED, asked).one_or_none()
    return Verdicts(
        LetPass(passed.file_id, passed.at) if passed else None,
        Refused(frozenset(_file_id(each) for each in refused.segments), refused.at) if refused else None,
        frozenset(_file_id(row.segment) for row in connection.execute(_ODD, asked)),
    )


def _file_id(segment: str) -> int:
    return int(segment.removeprefix(_SEGMENT))


def as_refused(connection: Connection, verdicts: Verdicts) -> set[int]:
    """The refused files that are as they were when the verdict named them: not retried since. Asks as the loader."""
    if verdicts.refused is None:
        return set()
    asked = {"file_ids": list(verdicts.refused.file_ids), "at": verdicts.refused.at}
    return set(connection.scalars(_AS_REFUSED, asked))


_LET_PASS = text(
    "select value::int as file_id, validated_at::text as at from quality.validations"
    " inner join quality.observations using (validation_id)"
    " where check_name = :check_name and not blocks and metric = :newest order by validation_id desc limit 1"
)
_REFUSED = text(
    "select validated_at::text as at, array_agg(distinct segment) as segments from quality.validations"
    " inner join quality.observations using (validation_id)"
    " where check_name = :check_name and blocks and run_id <> :run_id"
    " and segment like :segment and severity = 'critical' and not observations.passed"
    " group by validation_id, at order by validation_id desc limit 1"
)
_ODD = text(
    "select segment from (select distinct on (segment) segment, bool_or(not observations.passed) as is_odd"
    " from quality.validations inner join quality.observations using (validation_id)"
    " where check_name = :check_name and segment like :segment"
    " group by segment, validation_id order by segment, validation_id desc) as newest where is_odd"
)
_AS_REFUSED = text(
    "select file_id from raw.ingest_files"
    " where file_id = any(:file_ids) and not coalesce(retried_at >= cast(:at as timestamptz), false)"
)
