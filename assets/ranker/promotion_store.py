"""Keeps the decisions on models in ml.promotions, whoever made them, and tells what became of each model."""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from assets.ranker.promotion import Decision
from assets.ranker.registry import Challenger, model_row, obstacle
from assets.slates import Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake


@dataclass(frozen=True)
class PromotionRow:
    """A row of ml.promotions; the names and kinds are those of its columns. When it was decided, the database says."""

    model_version: str
    slate: str
    decision: str
    serves_from: date | None
    incumbent: str | None
    decided_by: str
    override_reason: str | None
    reasons: str
    figures: dict[str, Any] | None = None
    speed: dict[str, float] | None = None


@dataclass(frozen=True)
class ListedModel:
    """A model, what was decided on it last, and what the gate measured; None where nothing was decided or compared.

    serving: whether it serves the next night. holdout: the date of the fold that the figures are of. ndcg: NDCG@100 of
    the challenger and of the incumbent; delta: their difference; ci95: its paired 95 % interval.
    """

    model_version: str
    slate: str
    trained_as_of: date
    serving: bool
    decision: str | None
    serves_from: date | None
    decided_by: str | None
    decided_at: datetime | None
    override_reason: str | None
    incumbent: str | None
    reasons: str | None
    holdout: str | None
    ndcg: dict[str, float | None]
    delta: float | None
    ci95: tuple[float, float] | None

    def as_json(self) -> dict[str, Any]:
        """As `audotics models list --json` prints it."""
        plain = {name: _plain(value) for name, value in vars(self).items() if name != "ndcg"}
        return {**plain, "ndcg@100": self.ndcg}


def decision_of_gate(connection: Connection, model_version: str) -> Decision | None:
    """What the gate decided on a model, or None when it has not seen it."""
    found = connection.execute(_OF_GATE, {"model_version": model_version}).one_or_none()
    if found is None:
        return None
    row = PromotionRow(**found._mapping)
    return Decision(row.decision == "promoted", row.reasons.split("\n"), row.figures, row.speed)


def record_decision(connection: Connection, challenger: Challenger, incumbent: str | None, decision: Decision) -> None:
    """Note what the gate decided on a registered model; what it had decided before stays."""
    row = PromotionRow(
        model_version=challenger.model_version,
        slate=str(challenger.slate),
        decision="promoted" if decision.promoted else "refused",
        serves_from=challenger.trained_as_of if decision.promoted else None,
        incumbent=incumbent,
        decided_by="gate",
        override_reason=None,
        reasons="\n".join(decision.reasons),
        figures=decision.figures,
        speed=decision.speed,
    )
    connection.execute(_INSERT, vars(row))


def record_succession(connection: Connection, challenger: Challenger, incumbent: str, reason: str) -> None:
    """Let a registered model serve although the gate had decided on it before: what serves instead cannot."""
    row = PromotionRow(
        model_version=challenger.model_version,
        slate=str(challenger.slate),
        decision="promoted",
        serves_from=challenger.trained_as_of,
        incumbent=incumbent,
        decided_by="gate",
        override_reason=reason,
        reasons=reason,
    )
    connection.execute(_INSERT, vars(row))


def promote(connection: Connection, lake: Lake, model_version: str, person: str, reason: str) -> PromotionRow:
    """Let a model serve because a person says so: from the latest date on from which any model of its slate serves.

    Returns what was decided; its incumbent is the model that served from then on until now.

    Raises:
        AudoticsError: no reason was given, there is no such model, it serves already, or it cannot serve.
    """
    if not reason.strip():
        raise AudoticsError("a promotion by hand needs a reason: --reason says why, for whoever reads it later")
    model = model_row(connection, model_version)
    newest = connection.execute(_NEWEST, {"slate": model.slate}).one_or_none()
    if newest and newest.model_version == model_version:
        raise AudoticsError(f"{model_version} serves already, from {newest.serves_from} on: nothing was changed")
    if cannot_serve := obstacle(lake, model):
        raise AudoticsError(f"{model_version} cannot serve: {cannot_serve}; promote another one")
    row = PromotionRow(
        model_version=model_version,
        slate=model.slate,
        decision="promoted",
        serves_from=max(model.trained_as_of, newest.serves_from) if newest else model.trained_as_of,
        incumbent=newest.model_version if newest else None,
        decided_by=person,
        override_reason=reason.strip(),
        reasons="promoted by hand",
    )
    connection.execute(_INSERT, vars(row))
    return row


def list_models(connection: Connection, slate: Slate | None) -> list[ListedModel]:
    """Every model, or those of one slate, newest first."""
    rows = connection.execute(_LIST, {"slate": slate and str(slate)}).mappings()
    return [_listed(row) for row in rows]


def read_card(connection: Connection, model_version: str) -> dict[str, Any]:
    """The card of a model.

    Raises:
        AudoticsError: there is no such model.
    """
    return model_row(connection, model_version).card


def _listed(row: sa.RowMapping) -> ListedModel:
    figures = row["figures"] or {}
    return ListedModel(
        **{name: value for name, value in row.items() if name != "figures"},
        holdout=figures.get("holdout"),
        ndcg={role: (figures.get(role) or {}).get("ndcg@100") for role in ("challenger", "incumbent")},
        delta=figures.get("delta"),
        ci95=tuple(figures["ci95"]) if "ci95" in figures else None,
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


_COLUMNS = ", ".join(field.name for field in fields(PromotionRow))
_OF_GATE = text(
    f"select {_COLUMNS} from ml.promotions where model_version = :model_version and override_reason is null"
)
_NEWEST = text("select model_version, serves_from from ml.champions where slate = :slate and serves_until is null")
_INSERT = text(
    "insert into ml.promotions (model_version, decided_at, slate, decision, serves_from, incumbent, decided_by,"
    " override_reason, reasons, figures, speed)"
    " values (:model_version, now(), :slate, :decision, :serves_from, :incumbent, :decided_by, :override_reason,"
    " :reasons, :figures, :speed)"
    " on conflict (model_version) where override_reason is null do nothing"
).bindparams(*(sa.bindparam(name, type_=JSONB(none_as_null=True)) for name in ("figures", "speed")))
_LIST = text("""
    with latest as (
        select distinct on (model_version) * from ml.promotions order by model_version, decided_at desc
    )

    select
        models.model_version,
        models.slate,
        models.trained_as_of,
        exists (
            select from ml.champions
            where champions.model_version = models.model_version and champions.serves_until is null
        ) as serving,
        latest.decision,
        latest.serves_from,
        latest.decided_by,
        latest.decided_at,
        latest.override_reason,
        latest.incumbent,
        coalesce(gate.reasons, latest.reasons) as reasons,
        gate.figures
    from ml.models
    left join latest on models.model_version = latest.model_version
    left join ml.promotions as gate on models.model_version = gate.model_version and gate.override_reason is null
    where cast(:slate as text) is null or models.slate = :slate
    order by models.trained_as_of desc, models.slate desc, models.created_at desc
""")
