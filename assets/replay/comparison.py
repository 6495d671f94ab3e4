"""How many lists of a replay are the ones that were made then, and what has changed that may explain the others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, text

from assets.replay.lists import Replayed
from assets.slates import Slate
from warehouse.wording import counted

_WAS = ("was", "were")


@dataclass(frozen=True)
class Change:
    """Something that is not as it was when the lists were made: "listens", "blocks", "code", "model", or "unknown"."""

    what: str
    detail: str


@dataclass
class SlateComparison:
    """The lists of a slate, counted over the batches of users.

    users: who have a list now. lists_made_then: users who had one. other_lists: users whose list is another one, or
    who had one at one of the times alone. changes: what is not as it was then, whether or not lists differ.
    """

    model_version: str
    trained_as_of: date
    users: int = 0
    lists_made_then: int = 0
    other_lists: int = 0
    changes: list[Change] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether no list differs; where none was made then, none can."""
        return not (self.lists_made_then and self.other_lists)

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`; users_with_other_lists is null where nothing was made then."""
        return {
            "model_version": self.model_version,
            "trained_as_of": self.trained_as_of.isoformat(),
            "users": self.users,
            "lists_made_then": self.lists_made_then,
            "users_with_other_lists": self.other_lists if self.lists_made_then else None,
            "changed_since": [{"what": change.what, "detail": change.detail} for change in self.changes],
        }

    def verdict(self, as_of: date) -> str:
        """One line for people."""
        if not self.lists_made_then:
            compared = "none were made then"
        elif self.same:
            compared = "the same as those made then"
        else:
            known = "; ".join(change.detail for change in self.changes)
            differ = "differs" if self.other_lists == 1 else "differ"
            compared = f"{self.other_lists:,} {differ} from those made then. Since then: " + (
                known or "nothing that is on record has changed; the catalogue, a library or the machine may have"
            )
        later = f"; it was trained as of {self.trained_as_of} and so had seen what came after"
        lists = counted(self.users, "list")
        return f"{self.model_version}: {lists}, {compared}{later if self.trained_as_of > as_of else ''}"


def count(slates: dict[Slate, SlateComparison], part: Replayed) -> None:
    """Add a batch of users to the comparison of its slate."""
    model = part.champion
    of_slate = slates.setdefault(part.slate, SlateComparison(model.model_version, model.trained_as_of))
    of_slate.users += part.users
    of_slate.lists_made_then += int(part.made_then["user_key"].nunique())
    of_slate.other_lists += part.users_with_other_lists


def compare(parts: Iterable[Replayed]) -> dict[Slate, SlateComparison]:
    """The comparison by slate of everything that a replay gives."""
    slates: dict[Slate, SlateComparison] = {}
    for part in parts:
        count(slates, part)
    return slates


def note_changes(
    connection: Connection, as_of: date, slates: Mapping[Slate, SlateComparison], code_version: str
) -> None:
    """Note, by slate, what has changed since the lists of a date were made. The role has to be the transformer's.

    Of listens, only what the models have been built from since: a replay reads no others. Not on record are the
    catalogue, profiles and the machine.
    """
    for made in connection.execute(_MADE_FROM, {"as_of": as_of}):
        if (slate := Slate(made.slate)) in slates:
            slates[slate].changes = _changes(made, slates[slate].model_version, code_version)


def _changes(made: Row[Any], model_version: str, code_version: str) -> list[Change]:
    changes = []
    if made.listens_version is None or made.code_version is None:
        changes.append(Change("unknown", "it was not noted from which listens and by which code they were made"))
    if made.days:
        span = f"on {made.first_day}" if made.days == 1 else f"on {made.days} days from {made.first_day}"
        span += "" if made.days == 1 else f" to {made.last_day}"
        changes.append(Change("listens", f"listens {span} were added or taken back"))
    if made.blocks_added:
        changes.append(Change("blocks", f"{counted(made.blocks_added, 'block', _WAS)} added"))
    if made.blocks_gone:
        changes.append(Change("blocks", f"{counted(made.blocks_gone, 'block', _WAS)} taken back"))
    if made.model_version != model_version:
        changes.append(Change("model", f"they were made by {made.model_version}"))
    if made.code_version not in (None, code_version):
        changes.append(Change("code", f"the code is another one ({made.code_version} then, {code_version} now)"))
    return changes


_MADE_FROM = text("""
    select batches.slate, batches.model_version, batches.listens_version, batches.code_version,
        listens.days, listens.first_day, listens.last_day,
        held.added as blocks_added, batches.blocks - held.of_then as blocks_gone
    from ml.recommendation_batches as batches
    cross join lateral (
        select count(*) as days, min(listened_on) as first_day, max(listened_on) as last_day
        from raw.listen_days
        where
            listened_on < batches.as_of
            and version > batches.listens_version
            and version <= (select version from builds.models where model = 'fct_listens')
    ) as listens
    cross join lateral (
        select
            count(*) filter (where created_at > batches.blocks_read_at) as added,
            count(*) filter (where created_at <= batches.blocks_read_at) as of_then
        from raw.blocks
    ) as held
    where batches.as_of = :as_of
""")
