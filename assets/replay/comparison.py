"""How many lists of a replay are the ones that were made then, and what has changed that may explain the others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from assets.replay.lists import Replayed
from assets.slates import Slate
from warehouse.wording import counted

_WAS = ("was", "were")
# Users whose lists differ that are named, of each slate.
_NAMED = 20


@dataclass(frozen=True)
class Change:
    """Something that is not as it was when the lists were made: "listens", "blocks", "code" or "model"."""

    what: str
    detail: str


@dataclass
class SlateComparison:
    """The lists of a slate, counted over the batches of users.

    trained_as_of: None where no ranker ordered them. users: who have a list now. lists_made_then: users who had one.
    other_lists: users whose list is another one, or who had one at one of the times alone. others: the keys of the
    first of these. others_named: their public ids. changes: what is not as it was then, whether or not lists differ.
    blocks: when each of the blocks was added to which the lists of now hold.
    """

    model_version: str
    trained_as_of: date | None
    users: int = 0
    lists_made_then: int = 0
    other_lists: int = 0
    others: list[int] = field(default_factory=list)
    others_named: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    blocks: Sequence[datetime] = ()

    @property
    def same(self) -> bool:
        """Whether no list differs; where none was made then, none can."""
        return not (self.lists_made_then and self.other_lists)

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`; users_with_other_lists is null where nothing was made then. other_lists_of:
        the first of them.
        """
        return {
            "model_version": self.model_version,
            "trained_as_of": self.trained_as_of and self.trained_as_of.isoformat(),
            "users": self.users,
            "lists_made_then": self.lists_made_then,
            "users_with_other_lists": self.other_lists if self.lists_made_then else None,
            "other_lists_of": self.others_named if self.lists_made_then else [],
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
            compared = f"{self.other_lists:,} {differ} from those made then{self._whose()}. Since then: " + (
                known or "nothing that is on record has changed; the catalogue, a library or the machine may have"
            )
        later = f"; it was trained as of {self.trained_as_of} and so had seen what came after"
        lists = counted(self.users, "list")
        seen = self.trained_as_of is not None and self.trained_as_of > as_of
        return f"{self.model_version}: {lists}, {compared}{later if seen else ''}"

    def _whose(self) -> str:
        if not self.others_named:
            return ""
        more = self.other_lists - len(self.others_named)
        return f" (of {', '.join(self.others_named)}{f' and {more:,} more' if more else ''})"


def count(slates: dict[Slate, SlateComparison], part: Replayed) -> None:
    """Add a batch of users to the comparison of its slate."""
    model = part.ordering
    of_slate = slates.setdefault(part.slate, SlateComparison(model.model_version, model.trained_as_of))
    of_slate.users += part.users
    of_slate.lists_made_then += int(part.made_then["user_key"].nunique())
    others = part.users_with_other_lists
    of_slate.other_lists += len(others)
    of_slate.others += others[: _NAMED - len(of_slate.others)]
    of_slate.blocks = part.blocks


def compare(parts: Iterable[Replayed]) -> dict[Slate, SlateComparison]:
    """The comparison by slate of everything that a replay gives."""
    slates: dict[Slate, SlateComparison] = {}
    for part in parts:
        count(slates, part)
    return slates


def note_changes(
    connection: Connection, as_of: date, slates: Mapping[Slate, SlateComparison], code_version: str
) -> None:
    """Note, by slate, what has changed since the lists of a date were made, and whose lists differ. The role has to be
    the transformer's.

    Of listens, only what the models have been built from since: a replay reads no others. Not on record are the
    catalogue, profiles and the machine.
    """
    for made in connection.execute(_MADE_FROM, {"as_of": as_of}):
        if (slate := Slate(made.slate)) in slates:
            slates[slate].changes = _changes(made, slates[slate], code_version)
    for compared in slates.values():
        named = connection.execute(_USER_IDS, {"keys": compared.others})
        compared.others_named = list(named.scalars())


def _changes(made: Row[Any], compared: SlateComparison, code_version: str) -> list[Change]:
    changes = []
    if made.days:
        span = f"on {made.first_day}" if made.days == 1 else f"on {made.days} days from {made.first_day}"
        span += "" if made.days == 1 else f" to {made.last_day}"
        changes.append(Change("listens", f"listens {span} were added or taken back"))
    # Not the blocks there are by now: one that came and went while the lists were made has changed them.
    added = sum(at > made.blocks_read_at for at in compared.blocks)
    gone = made.blocks - (len(compared.blocks) - added)
    for number, what in ((added, "added"), (gone, "taken back")):
        if number:
            changes.append(Change("blocks", f"{counted(number, 'block', _WAS)} {what}"))
    if made.model_version != compared.model_version:
        changes.append(Change("model", f"they were made by {made.model_version}"))
    if made.code_version != code_version:
        changes.append(Change("code", f"the code is another one ({made.code_version} then, {code_version} now)"))
    return changes


_MADE_FROM = text("""
    select batches.slate, batches.model_version, batches.listens_version, batches.code_version,
        batches.blocks_read_at, batches.blocks,
        listens.days, listens.first_day, listens.last_day
    from ml.recommendation_batches as batches
    cross join lateral (
        select count(*) as days, min(listened_on) as first_day, max(listened_on) as last_day
        from raw.listen_days
        where
            listened_on < batches.as_of
            and version > batches.listens_version
            and version <= (select version from builds.models where model = 'core.fct_listens')
    ) as listens
    where batches.as_of = :as_of
""")
_USER_IDS = text("select user_id from raw.users where user_key = any(:keys) order by user_key")
