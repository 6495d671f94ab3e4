"""The catalogue and the listeners of the core marts, against what they were on the nights before."""

from quality.suites.suite import Expectation, Suite, rows_at_least

# A catalogue grows; a fifth of it is not gone overnight unless a load was undone, which an operator can accept.
_LOST = 0.2
# Shares wander by a tenth of themselves when a large source joins.
_SHARE_LOST = 0.25


def dim_tracks() -> Suite:
    """The catalogue: not emptied, and its tracks still have artists and titles."""
    return Suite(
        name="dim_tracks",
        rows="select * from core.dim_tracks",
        expectations=(
            rows_at_least(1, "a catalogue that was emptied: every list would lose its tracks", floor=_LOST),
            _known("artist_key", "a load without artists: reasons and blocks of artists would do nothing"),
            _known("title", "a load without titles: listeners would be shown rows without a name"),
        ),
    )


def dim_users() -> Suite:
    """The listeners: as many as before, and their countries still known."""
    return Suite(
        name="dim_users",
        rows="select * from core.dim_users",
        expectations=(
            rows_at_least(1, "listeners who vanish, and whose lists are then deleted from Redis", floor=_LOST),
            _known("country", "profiles that were emptied: charts of countries and their lists would go"),
        ),
    )


def _known(column: str, protects_from: str) -> Expectation:
    """The share of rows that have a value does not fall far below what it was."""
    return Expectation(
        f"share with {column}",
        "ExpectColumnProportionOfNonNullValuesToBeBetween",
        {"column": column, "min_value": 0.0},
        protects_from,
        learned_floor=_SHARE_LOST,
    )
