"""What may have been true when: which releases were live, what users had blocked, and what did not work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

_Value = TypeVar("_Value")
NEVER = float("inf")


class Pointers(NamedTuple):
    """Names of the live and of the previous release."""

    live: str | None = None
    previous: str | None = None


@dataclass
class _Span(Generic[_Value]):
    value: _Value
    since: float
    until: float = NEVER

    def meets(self, begun: float, ended: float) -> bool:
        return self.since <= ended and self.until >= begun


class Timeline(Generic[_Value]):
    """A value and its changes. While a change is under way, both may be true; times are monotonic seconds."""

    def __init__(self, value: _Value) -> None:
        self._spans = [_Span(value, 0.0)]

    @property
    def now(self) -> _Value:
        """The value after the last change."""
        return self._spans[-1].value

    def between(self, begun: float, ended: float) -> list[_Value]:
        """All that may have been true at some instant between the two."""
        return [span.value for span in self._spans if span.meets(begun, ended)]

    def before(self, ended: float) -> list[_Value]:
        """All that may have been true at some instant until then."""
        return self.between(0.0, ended)

    def may_become(self, to: _Value) -> None:
        """From now on the value may be this one as well as before, until `became`."""
        self._spans.append(_Span(to, time.monotonic()))

    def became(self) -> None:
        """The last change is in effect: nothing else is true any more."""
        for span in self._spans[:-1]:
            span.until = min(span.until, time.monotonic())

    @property
    def possible(self) -> list[_Value]:
        """All that may be true: more than one value where it is unknown whether a change was made."""
        return [span.value for span in self._spans if span.until == NEVER]

    @contextmanager
    def changing(self, to: _Value) -> Iterator[None]:
        """Within, the change comes into effect at an unknown instant."""
        self.may_become(to)
        yield
        self.became()


@dataclass
class Disturbance:
    """A time in which the store, or the way to it, is broken, until the API has recovered."""

    since: float
    """Before anything was broken."""
    broken: float = NEVER
    """When all of it was."""
    lifted: float = NEVER
    """Before anything was put right."""
    recovered: float = NEVER
    """When every worker answered rightly again."""
    keys_lost: bool = False
    """Whether the API may have read that there are no keys."""

    def touches(self, begun: float, ended: float) -> bool:
        """Whether it can have to do with a request."""
        return self.since <= ended and self.recovered >= begun

    def covers(self, begun: float, ended: float) -> bool:
        """Whether a request was answered while it lasted."""
        return self.broken <= begun and ended <= self.lifted


@dataclass
class History:
    """All of it."""

    pointers: Timeline[Pointers] = field(default_factory=lambda: Timeline(Pointers()))
    disturbances: list[Disturbance] = field(default_factory=list)
    full: Timeline[bool] = field(default_factory=lambda: Timeline(False))
    """Whether the store has no memory for anything more, and refuses to write."""

    def live_between(self, begun: float, ended: float) -> set[str]:
        """The releases that may have been live at some instant of a request."""
        return {each.live for each in self.pointers.between(begun, ended) if each.live}

    def kept_between(self, begun: float, ended: float) -> list[set[str]]:
        """The releases that were kept, at each state of a request's time."""
        return [{name for name in each if name} for each in self.pointers.between(begun, ended)]

    def seen_before(self, ended: float) -> set[str]:
        """The releases that were live at some instant before."""
        return {each.live for each in self.pointers.before(ended) if each.live}

    def disturbance(self, begun: float, ended: float) -> Disturbance | None:
        """What a request met, if anything."""
        return next((each for each in self.disturbances if each.touches(begun, ended)), None)
