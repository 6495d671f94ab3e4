"""Windows of ranked lists: by offset, or from where a page ended."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from serving_api.rules import Rules

_Each = TypeVar("_Each")

_CURSOR = re.compile(r"(\d{4}-\d\d-\d\d-[0-9a-f]{8})\.([op])\.(\d{1,5})\.(\d{1,5})")


class Cursor(NamedTuple):
    """Where a page ended: the next one goes on there, whatever is published or blocked in between."""

    release: str
    own: bool
    """Whether the page was of the user's own list; else it was of a popular one."""
    passed: int
    """How much of the list as the release has it lies before, excluded and blocked items included."""
    rank: int
    """Rank of the last item that was shown."""

    def __str__(self) -> str:
        return f"{self.release}.{'o' if self.own else 'p'}.{self.passed}.{self.rank}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor that a text stands for. Raises ValueError."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise ValueError("is not a cursor that an answer gave")
        release, kind, passed, rank = match.groups()
        return cls(release, kind == "o", int(passed), int(rank))


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for: `limit` items from an offset, or from a cursor on.

    The offset is counted without excluded and blocked items.
    """

    limit: int
    offset: int = 0
    exclude: frozenset[str] = frozenset()
    after: Cursor | None = None
    rules: Rules | None = None

    @property
    def named_ids(self) -> Set[str]:
        """The public ids of tracks that the request, or a pin of its rules, names."""
        return self.exclude if self.rules is None else self.exclude | self.rules.pins.keys()


class Item(NamedTuple):
    """An item of a list."""

    public_id: str
    shown: bytes
    """The JSON fields that an app is shown, without braces and without the rank."""


@dataclass(frozen=True)
class Page:
    """A window of a ranked list."""

    items: list[Item]
    first_rank: int
    next_offset: int | None
    """None at the end of the list."""
    passed: int
    """How much of the list as the release has it lies before the next page."""

    def json(self) -> bytes:
        """The items as a JSON array."""
        ranked = [b'{"rank":%d,%b}' % (rank, item.shown) for rank, item in enumerate(self.items, self.first_rank)]
        return b"[%b]" % b",".join(ranked)

    def cursor(self, release: str, own: bool) -> Cursor | None:
        """Where the next page begins; None at the end of the list."""
        if self.next_offset is None:
            return None
        return Cursor(release, own, self.passed, self.first_rank + len(self.items) - 1)


def positions(listed: Sequence[_Each], hidden: Callable[[_Each], bool]) -> list[int]:
    """The places of what is left of a list."""
    return [place for place, each in enumerate(listed) if not hidden(each)]


def part(kept: Sequence[int], window: Window) -> Sequence[int]:
    """The places that a window shows of a list that is left at the places `kept`."""
    start = _start(kept, window)
    return kept[start : start + window.limit]


def page(kept: Sequence[int], window: Window, shown: Callable[[Sequence[int]], Iterable[Item]]) -> Page:
    """What a window shows of a list that is left at the places `kept`; `shown` makes the items of some places."""
    places = part(kept, window)
    start = _start(kept, window)
    first_rank = start + 1 if window.after is None else window.after.rank + 1
    end = start + window.limit
    return Page(
        items=list(shown(places)),
        first_rank=first_rank,
        next_offset=end if end < len(kept) else None,
        passed=places[-1] + 1 if places else 0,
    )


def _start(kept: Sequence[int], window: Window) -> int:
    return window.offset if window.after is None else bisect_left(kept, window.after.passed)
