"""The slates a listener is shown; each has its own labels, ranker and metrics."""

from enum import StrEnum

LIST_LENGTH = 100
HORIZON_DAYS = 14
FORGOTTEN_AFTER_DAYS = 60


class Slate(StrEnum):
    """`for_you` may repeat what the user knows; `discover` holds only tracks never heard before `as_of`;
    `rediscover` only tracks heard before, but not in the last 60 days.
    """

    FOR_YOU = "for_you"
    DISCOVER = "discover"
    REDISCOVER = "rediscover"
