"""The features as of a date: what counts agree with, and as many rows as on the nights before."""

from datetime import date

from quality.suites.suite import Expectation, Suite, in_range, no_rows, rows_at_least
from warehouse.dates import sql_date, sql_instant

# Everybody and everything that was ever heard has a row: each night there are more of them, unless a load was undone.
_LOST = 0.2
_EMPTY = "rankers and lists of nobody"
_LEAK = "listens from after the date, which make rankers look better than they are, and listens that are lost"


def feat_user(as_of: date) -> Suite:
    """User features: counts that nest, recent listens where the last one is recent, every listen counted once."""
    return Suite(
        name="feat_user",
        rows=_rows("feat_user", as_of),
        expectations=(
            rows_at_least(1, _EMPTY, floor=_LOST),
            no_rows(
                "windows that do not nest",
                "windows nest: 7 days within 30 within 90 within all",
                "select * from {batch} "
                "where listens_7d > listens_30d or listens_30d > listens_90d or listens_90d > listens",
                "a window that is counted from another day than the others",
            ),
            in_range(
                "listens_7d",
                0,
                0,
                "a window that goes on where the last listen is too long ago for it",
                when="days_since_last > 7",
                metric="listens in a week without any",
            ),
            in_range(
                "listens_7d",
                1,
                None,
                "a window that misses the newest listens, as where a day is built twice or not at all",
                when="days_since_last < 7",
                metric="no listens in a week with some",
            ),
            _every_listen_counted(as_of),
        ),
    )


def feat_track(as_of: date) -> Suite:
    """Track features: no more listeners than listens, every listen of people counted once."""
    return Suite(
        name="feat_track",
        rows=_rows("feat_track", as_of),
        expectations=(
            rows_at_least(1, _EMPTY, floor=_LOST),
            _no_more_listeners("listeners > listens or listeners_30d > listens_30d"),
            _every_listen_counted(as_of, _of_people(as_of)),
        ),
    )


def feat_user_track(as_of: date) -> Suite:
    """A user's history with a track: decayed counts never exceed plain ones, nothing lies after `as_of`."""
    return Suite(
        name="feat_user_track",
        rows=_rows("feat_user_track", as_of),
        expectations=(
            rows_at_least(1, _EMPTY, floor=_LOST),
            no_rows(
                "decayed listens out of range",
                "0 < decayed listens <= listens",
                "select * from {batch} where decayed_listens <= 0 or decayed_listens > listens",
                "an age that is negative, or a count that was rounded away",
            ),
            _every_listen_counted(as_of),
        ),
    )


def feat_user_artist(as_of: date) -> Suite:
    """A user's history with an artist: every listen of a track with an artist counted once."""
    return Suite(
        name="feat_user_artist",
        rows=_rows("feat_user_artist", as_of),
        expectations=(
            no_rows(
                "more tracks than listens",
                "no more tracks than listens",
                "select * from {batch} where tracks > listens",
                "a join that multiplies tracks, such as one over every name of an artist",
            ),
            _every_listen_counted(as_of, "and artist_key is not null"),
        ),
    )


def feat_artist(as_of: date) -> Suite:
    """Artist features: no more listeners than listens, every listen of people counted once."""
    return Suite(
        name="feat_artist",
        rows=_rows("feat_artist", as_of),
        expectations=(
            _no_more_listeners("listeners > listens"),
            _every_listen_counted(as_of, f"and artist_key is not null {_of_people(as_of)}"),
        ),
    )


def _rows(model: str, as_of: date) -> str:
    return f"select * from features.{model} where as_of = {sql_date(as_of)}"


def _of_people(as_of: date) -> str:
    """SQL: and the listener was not known, as of the date, not to be a person: others do not count for tracks."""
    return (
        "and not exists (select from core.dim_unlikely_listeners as unlikely"
        f" where unlikely.user_key = fct_listens.user_key and unlikely.unlikely_since <= {sql_date(as_of)})"
    )


def _no_more_listeners(condition: str) -> Expectation:
    return no_rows(
        "more listeners than listens",
        "no more listeners than listens",
        f"select * from {{batch}} where {condition}",
        "a join that multiplies listeners: what few heard would be popular",
    )


def _every_listen_counted(as_of: date, condition: str = "") -> Expectation:
    return no_rows(
        "counted more or less than there are",
        "the listens counted are exactly those before as_of",
        "select * from (select sum(listens) as counted from {batch} as features) as features "
        "cross join (select count(*) as listens from core.fct_listens "
        f"where listened_at < {sql_instant(as_of)} {condition}) as expected "
        "where coalesce(counted, 0) <> listens",
        _LEAK,
    )
