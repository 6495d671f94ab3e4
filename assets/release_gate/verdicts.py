"""Which slates of a date may go live: measured and judged once for the lists there are, and kept in the warehouse."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from assets.release_gate.bounds import Figures, Refusal, refusals
from assets.release_gate.measures import ALL, Measured, list_measures

# Of older nights nothing is learned.
_REMEMBERED_DAYS = 90

Nights = Mapping[str, Sequence[tuple[date, Figures]]]


@dataclass(frozen=True)
class Verdict:
    """What was found of the lists of a slate.

    made_at: which lists, by when they were made; None where nobody has one. refused_because: a sentence for each figure
    out of bounds, empty where there is none. accepted: whether an operator lets the lists go live all the same.
    """

    made_at: datetime | None
    refused_because: tuple[str, ...]
    accepted: bool = False

    @property
    def refused(self) -> bool:
        return bool(self.refused_because) and not self.accepted


def judge_slates(as_of: date, measured: Sequence[Measured], nights: Nights) -> dict[str, list[Refusal]]:
    """What is out of bounds in each slate that was measured; nothing where its lists may go live.

    nights: by slate, the figures of the dates before whose lists were not refused, newest first.
    """
    figures: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for slate, measure, segment, value in measured:
        figures[slate][measure, segment] = value
    return {slate: refusals(as_of, now, nights.get(slate, ())) for slate, now in figures.items()}


def judged(connection: Connection, as_of: date) -> dict[str, Verdict]:
    """The verdicts on the lists of a date as they are, by slate; measured and judged where that was not done yet.

    A slate in which nobody has a list is among them where somebody should have one.
    """
    made = {row.slate: row.made_at for row in connection.execute(_MADE, {"as_of": as_of})}
    found = {
        row.slate: Verdict(row.made_at, tuple(row.refused_because), row.accepted_at is not None)
        for row in connection.execute(_VERDICTS, {"as_of": as_of})
    }
    known = {slate: verdict.made_at for slate, verdict in found.items() if verdict.made_at is not None}
    if made and known == made:
        return found
    judge(connection, as_of)
    return judged(connection, as_of) if made else {}


def judge(
    connection: Connection, as_of: date, also: Sequence[Measured] = ()
) -> tuple[list[Measured], dict[str, list[Refusal]]]:
    """Measure the lists of a date and judge them, and keep both in place of what was found before.

    also: what was measured of them elsewhere, by names that `NAMES` explains as well.
    """
    measured = [*list_measures(connection, as_of, last_good(connection, as_of)), *also]
    found = judge_slates(as_of, measured, good_nights(connection, as_of))
    for table in ("slate_measures", "slate_verdicts"):
        connection.execute(text(f"delete from ml.{table} where as_of = :as_of"), {"as_of": as_of})
    if measured:
        connection.execute(_KEEP_MEASURES, [{"as_of": as_of, **each._asdict()} for each in measured])
        said = {slate: [each.reason for each in reasons] for slate, reasons in found.items()}
        connection.execute(
            _KEEP_VERDICTS, [{"as_of": as_of, "slate": slate, "reasons": reasons} for slate, reasons in said.items()]
        )
    return measured, found


def accept(connection: Connection, as_of: date, slates: Sequence[str]) -> None:
    """Let the lists of slates go live that are refused, until they are made again; judged first where they were not."""
    judged(connection, as_of)
    connection.execute(_ACCEPT, {"as_of": as_of, "slates": list(slates)})


def last_good(
    connection: Connection, as_of: date, *, released: bool = False, among: Sequence[date] | None = None
) -> dict[str, date]:
    """By slate, the newest date before whose lists were not refused and are still there; or that went live as well.

    among: the only dates that count.
    """
    given = {"as_of": as_of, "released": released, "among": None if among is None else list(among)}
    return {row.slate: row.as_of for row in connection.execute(_LAST_GOOD, given)}


def good_nights(connection: Connection, as_of: date) -> dict[str, list[tuple[date, Figures]]]:
    """The figures of all users on the dates before whose lists were not refused, by slate, newest first."""
    found: defaultdict[tuple[str, date], dict[tuple[str, str], float]] = defaultdict(dict)
    for row in connection.execute(_NIGHTS, {"as_of": as_of, "days": _REMEMBERED_DAYS}):
        found[row.slate, row.as_of][row.measure, ALL] = row.value
    nights: defaultdict[str, list[tuple[date, Figures]]] = defaultdict(list)
    for (slate, day), figures in found.items():
        nights[slate].append((day, figures))
    return nights


_MADE = text("select slate, made_at from ml.recommendation_batches where as_of = :as_of")
_VERDICTS = text("select slate, made_at, refused_because, accepted_at from ml.slate_verdicts where as_of = :as_of")
_KEEP_MEASURES = text(
    "insert into ml.slate_measures (as_of, slate, measure, segment, value)"
    " values (:as_of, :slate, :measure, :segment, :value)"
)
_KEEP_VERDICTS = text(
    "insert into ml.slate_verdicts (as_of, slate, made_at, judged_at, refused_because) values (:as_of, :slate,"
    " (select made_at from ml.recommendation_batches where as_of = :as_of and slate = :slate), now(),"
    " cast(:reasons as text[]))"
)
_ACCEPT = text(
    "update ml.slate_verdicts set accepted_at = now()"
    " where as_of = :as_of and slate = any(:slates) and cardinality(refused_because) > 0"
)
# Lists that were made again since they were judged are not those that were refused.
_LAST_GOOD = text(
    "select slate, max(as_of) as as_of from ml.recommendation_batches as batches where as_of < :as_of"
    " and not exists (select from ml.slate_verdicts as verdicts where verdicts.as_of = batches.as_of"
    " and verdicts.slate = batches.slate and verdicts.made_at = batches.made_at"
    " and cardinality(refused_because) > 0 and accepted_at is null)"
    " and (not :released or exists (select from ml.releases where releases.as_of = batches.as_of"
    " and releases.lists_made_at >= batches.made_at))"
    " and (cast(:among as date[]) is null or as_of = any(cast(:among as date[]))) group by slate"
)
_NIGHTS = text(
    "select slate, as_of, measure, value from ml.slate_measures inner join ml.slate_verdicts using (as_of, slate)"
    f" where as_of < :as_of and as_of >= :as_of - cast(:days as integer) and segment = '{ALL}'"
    " and (cardinality(refused_because) = 0 or accepted_at is not null) order by as_of desc, slate, measure"
)
