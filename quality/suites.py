"""The Great Expectations suites: what must hold of the raw listens and of the features as of a date.

A suite here is data: the query whose rows are validated, and the expectations on them, by Great Expectations' own
names. `quality.validate` runs them.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from warehouse.dates import sql_date, sql_instant
from warehouse.history import EARLIEST_DAY

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Expectation:
    """One expectation: the class name in `great_expectations.expectations` and its arguments."""

    kind: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Suite:
    """Expectations on the rows of one query."""

    name: str
    query: str
    expectations: tuple[Expectation, ...]


def _expect(kind: str, **arguments: Any) -> Expectation:
    return Expectation(kind, arguments)


def _no_rows(description: str, query: str) -> Expectation:
    # Great Expectations names `{batch}` itself, except in queries with a join, which name it here.
    return _expect("UnexpectedRowsExpectation", unexpected_rows_query=query, description=description)


# Files are numbered as they are loaded, so the recent ones are those from the first recent one on, and a small index
# finds their rows.
_FIRST_RECENT_FILE = (
    "(select coalesce(min(file_id), 0) from raw.ingest_files where coalesce(retried_at, finished_at) >= "
    "(select max(finished_at) from raw.ingest_files where rows_loaded > 0) - interval '7 days')"
)


def raw_listens() -> Suite:
    """Listens of the files loaded in the 7 days up to the last load that brought any: plausible times and durations,
    known keys, and every row of these files accounted for. The rows of older files were checked when they came; of
    these only the counts on record have to add up. Rejected rows are there until they expire.
    """
    return Suite(
        name="raw_listens",
        query=f"select * from raw.listens where file_id >= {_FIRST_RECENT_FILE}",
        expectations=(
            _expect("ExpectTableRowCountToBeBetween", min_value=1),
            _expect("ExpectColumnValuesToNotBeNull", column="source"),
            _expect("ExpectColumnMinToBeBetween", column="user_key", min_value=0),
            _expect("ExpectColumnMinToBeBetween", column="track_key", min_value=0),
            _expect("ExpectColumnValuesToBeBetween", column="ms_played", min_value=0, max_value=_DAY_MS),
            _no_rows(
                f"no listen before {EARLIEST_DAY.year} or more than a day after it was loaded",
                f"select * from {{batch}} where listened_at < {sql_instant(EARLIEST_DAY)} "
                "or listened_at > ingested_at + interval '1 day'",
            ),
            _no_rows(
                "every listen has a user and a track",
                "select listens.* from {batch} as listens "
                "left join raw.users on users.user_key = listens.user_key "
                "left join raw.tracks on tracks.track_key = listens.track_key "
                "where users.user_key is null or tracks.track_key is null",
            ),
            _no_rows(
                "rows read = loaded + rejected + duplicates + left out, and the loaded and rejected rows are there",
                "select files.file_id from raw.ingest_files as files "
                "left join (select file_id, count(*) as listens from {batch} as batch group by file_id) as loaded "
                "on loaded.file_id = files.file_id "
                "left join (select file_id, count(*) as rows from raw.rejected_listens "
                f"where file_id >= {_FIRST_RECENT_FILE} group by file_id) as rejected "
                "on rejected.file_id = files.file_id "
                "where files.rows_read <> files.rows_loaded + files.rows_rejected + files.rows_duplicate"
                " + files.rows_left_out "
                f"or (files.file_id >= {_FIRST_RECENT_FILE} and (files.kind = 'listens' "
                "and files.rows_loaded <> coalesce(loaded.listens, 0) "
                "or coalesce(rejected.rows, 0)"
                " <> case when files.rejects_expired_at is null then files.rows_rejected else 0 end))",
            ),
        ),
    )


def feat_user(as_of: date) -> Suite:
    """User features: one row per user with history, counts that nest, shares within [0, 1]."""
    return Suite(
        name="feat_user",
        query=_rows("feat_user", as_of),
        expectations=(
            _expect("ExpectTableRowCountToBeBetween", min_value=1),
            _expect("ExpectColumnValuesToBeUnique", column="user_key"),
            _expect("ExpectColumnValuesToBeBetween", column="repeat_share", min_value=0, max_value=1),
            _expect("ExpectColumnValuesToBeBetween", column="new_share_30d", min_value=0, max_value=1),
            _expect("ExpectColumnMinToBeBetween", column="days_since_last", min_value=0),
            _no_rows(
                "windows nest: 7 days within 30 within 90 within all",
                "select * from {batch} "
                "where listens_7d > listens_30d or listens_30d > listens_90d or listens_90d > listens",
            ),
            _every_listen_counted(as_of),
        ),
    )


def feat_track(as_of: date) -> Suite:
    """Track features: one row per track heard, no more listeners than listens."""
    return Suite(
        name="feat_track",
        query=_rows("feat_track", as_of),
        expectations=(
            _expect("ExpectTableRowCountToBeBetween", min_value=1),
            _expect("ExpectColumnValuesToBeUnique", column="track_key"),
            _expect("ExpectColumnMinToBeBetween", column="days_since_last", min_value=0),
            _no_rows(
                "no more listeners than listens",
                "select * from {batch} where listeners > listens or listeners_30d > listens_30d",
            ),
            _every_listen_counted(as_of, _of_people(as_of)),
        ),
    )


def feat_user_track(as_of: date) -> Suite:
    """A user's history with a track: decayed counts never exceed plain ones, nothing lies after `as_of`."""
    return Suite(
        name="feat_user_track",
        query=_rows("feat_user_track", as_of),
        expectations=(
            _expect("ExpectTableRowCountToBeBetween", min_value=1),
            _one_row_per("user_key", "track_key"),
            _expect("ExpectColumnMinToBeBetween", column="days_since_last", min_value=0),
            _no_rows(
                "0 < decayed listens <= listens",
                "select * from {batch} where decayed_listens <= 0 or decayed_listens > listens",
            ),
            _every_listen_counted(as_of),
        ),
    )


def feat_user_artist(as_of: date) -> Suite:
    """A user's history with an artist: one row per pair, every listen of a track with an artist counted once."""
    return Suite(
        name="feat_user_artist",
        query=_rows("feat_user_artist", as_of),
        expectations=(
            _one_row_per("user_key", "artist_key"),
            _no_rows("no more tracks than listens", "select * from {batch} where tracks > listens"),
            _every_listen_counted(as_of, "and artist_key is not null"),
        ),
    )


def feat_artist(as_of: date) -> Suite:
    """Artist features: one row per artist heard, no more listeners than listens."""
    return Suite(
        name="feat_artist",
        query=_rows("feat_artist", as_of),
        expectations=(
            _expect("ExpectColumnValuesToBeUnique", column="artist_key"),
            _no_rows("no more listeners than listens", "select * from {batch} where listeners > listens"),
            _every_listen_counted(as_of, f"and artist_key is not null {_of_people(as_of)}"),
        ),
    )


def _one_row_per(*columns: str) -> Expectation:
    # Great Expectations' own expectation joins the rows with themselves, which a planner may turn into nested loops.
    key = ", ".join(columns)
    return _no_rows(f"one row per {key}", f"select {key} from {{batch}} group by {key} having count(*) > 1")


def _rows(model: str, as_of: date) -> str:
    return f"select * from features.{model} where as_of = {sql_date(as_of)}"


def _of_people(as_of: date) -> str:
    """SQL: and the listener was not known, as of the date, not to be a person: others do not count for tracks."""
    return (
        "and not exists (select from core.dim_unlikely_listeners as unlikely"
        f" where unlikely.user_key = fct_listens.user_key and unlikely.unlikely_since <= {sql_date(as_of)})"
    )


def _every_listen_counted(as_of: date, condition: str = "") -> Expectation:
    return _no_rows(
        "the listens counted are exactly those before as_of",
        "select * from (select sum(listens) as counted from {batch} as features) as features "
        "cross join (select count(*) as listens from core.fct_listens "
        f"where listened_at < {sql_instant(as_of)} {condition}) as expected "
        "where coalesce(counted, 0) <> listens",
    )
