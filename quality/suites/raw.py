"""The raw listens: plausible, keyed, and every row of every file accounted for."""

from quality.suites.suite import Expectation, Suite, in_range, never_null, no_rows, rows_at_least
from warehouse.dates import sql_instant
from warehouse.history import EARLIEST_DAY

_DAY_MS = 86_400_000

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
        rows=f"select * from raw.listens where file_id >= {_FIRST_RECENT_FILE}",
        expectations=(
            rows_at_least(1, "a night that is made of nothing"),
            never_null("source", "plays of several sources that cannot be merged, since nobody knows whose they are"),
            in_range("user_key", 0, None, "an index below zero, which in Python is the last listener's"),
            in_range("track_key", 0, None, "an index below zero, which in Python is the last track's"),
            in_range("ms_played", 0, _DAY_MS, "seconds or microseconds that were taken for milliseconds"),
            no_rows(
                "listened at an impossible time",
                f"no listen before {EARLIEST_DAY.year} or more than a day after it was loaded",
                f"select * from {{batch}} where listened_at < {sql_instant(EARLIEST_DAY)} "
                "or listened_at > ingested_at + interval '1 day'",
                "milliseconds taken for seconds, and clocks that are wrong: such a listen would be everybody's last",
            ),
            no_rows(
                "without user or track",
                "every listen has a user and a track",
                # Great Expectations names `{batch}` itself, except in queries with a join, which name it here.
                "select listens.* from {batch} as listens "
                "left join raw.users on users.user_key = listens.user_key "
                "left join raw.tracks on tracks.track_key = listens.track_key "
                "where users.user_key is null or tracks.track_key is null",
                "listens that silently fall out of every join",
            ),
            _every_row_accounted_for(),
        ),
    )


def _every_row_accounted_for() -> Expectation:
    return no_rows(
        "files that do not add up",
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
        "rows that are lost between a file and the warehouse, or that somebody deleted by hand",
    )
