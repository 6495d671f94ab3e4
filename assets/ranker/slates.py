"""The slates a listener is shown; each has its own labels, ranker and metrics."""

from enum import StrEnum

LIST_LENGTH = 100
HORIZON_DAYS = 14


class Slate(StrEnum):
    """`for_you` may repeat what the user knows; `discover` holds only tracks never heard before `as_of`."""

    FOR_YOU = "for_you"
    DISCOVER = "discover"

    @property
    def excludes_heard(self) -> bool:
        return self is Slate.DISCOVER
