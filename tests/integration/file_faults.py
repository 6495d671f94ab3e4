"""Faults of files, those that land before a night and those of the lake, and the gate that has to stop each of them.

And those that are told and stop nothing.
"""

import numpy as np
import pandas as pd
from nightly_faults import NO_LAST_DAY
from pipeline_process import Pipeline
from planted_faults import Fault, Row, cut_after, in_landed_day, land, landed_rows
from sample_pipeline import AS_OF, FOLLOWING

LOADS = "loads_are_as_usual"
TRAINING = ("run", "--as-of", AS_OF, "--train")
# Three files that brought what they should, of before the world's.
_FILES_BEFORE = (
    "insert into raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,"
    " rows_duplicate, started_at, finished_at) select -number, 'before ' || number, 'lastfm-1k', 'before', 1, 200, 200,"
    " 0, 0, now() - interval '90 days', now() - interval '90 days' from generate_series(1, 3) as number"
)
_DAY_BEFORE = f"timestamptz '{AS_OF} 00:00:00+00' - interval '1 day'"
_ACCOUNTS = 150


def of_one_artist(row: Row) -> Row:
    return [*row[:2], "", "Somebody Else", "", row[5]]


def swapped_columns(row: Row) -> Row:
    return [*row[:2], *row[4:], *row[2:4]]


def day_without_names(pipeline: Pipeline) -> None:
    """The file of the day names no artist and no title: nothing of it can be loaded."""
    land(pipeline, [[*row[:3], "", "", ""] for row in landed_rows(pipeline, _DAY_BEFORE, "1 day")])


def day_again_twice(pipeline: Pipeline) -> None:
    """The file of the day has each of its listens twice more, a second later each time."""
    day = f"timestamptz '{AS_OF} 00:00:00+00'"
    land(pipeline, [row for later in ("1 second", "2 seconds") for row in landed_rows(pipeline, day, later)])


def shuffled_labels(pipeline: Pipeline) -> None:
    """In every fold that rankers learn from, who listened to what is drawn by lot."""
    drawn = np.random.default_rng(7)
    for path in (pipeline.home / "lake" / "training").glob("*/*.parquet"):
        fold = pd.read_parquet(path)
        fold.assign(label=drawn.permutation(fold["label"].to_numpy())).to_parquet(path)


def day_before_again(pipeline: Pipeline) -> None:
    """The file of the day before, under another name and in another order, in the place of the one that was to come."""
    land(pipeline, landed_rows(pipeline, _DAY_BEFORE, "0 seconds")[::-1])


def radio_of_one_track(pipeline: Pipeline) -> None:
    """A new source, whose many accounts hear one track of the catalogue and nothing else."""
    ((artist, title),) = pipeline.query(
        "select name, title from raw.tracks inner join raw.artists using (artist_key)"
        " where title is not null and name is not null order by track_key desc limit 1"
    )
    folder = pipeline.home / "landing" / "tabular" / "radio"
    folder.mkdir(parents=True)
    columns = 'user_id = "user"\nlistened_at = "at"\nartist_name = "artist"\ntitle = "title"\n'
    folder.joinpath("mapping.toml").write_text(
        f'source = "radio"\n[columns]\n{columns}[time]\nunit = "iso8601"\n', "utf-8"
    )
    plays = (
        f"listener {account}\t{AS_OF}T{8 + hour:02}:{account % 60:02}:{account % 53:02}Z\t{artist}\t{title}\n"
        for account in range(_ACCOUNTS)
        for hour in range(1 + account % 3)
    )
    folder.joinpath("plays.tsv").write_text("user\tat\tartist\ttitle\n" + "".join(plays), "utf-8")


FILE_FAULTS = (
    Fault(
        "one artist for every track of a day",
        LOADS,
        "100% of its listens, by 100% of its listeners, are of one artist",
        lands=in_landed_day(of_one_artist),
    ),
    Fault(
        "the columns of artists and tracks swapped",
        LOADS,
        "100% of what known listeners hear in it are tracks and artists that no earlier file names",
        lands=in_landed_day(swapped_columns),
    ),
    Fault(
        "a day without names",
        "newest_day_is_whole",
        "0.0 listens, where at least",
        sql=NO_LAST_DAY,
        lands=day_without_names,
    ),
    Fault(
        "a new source whose listeners all play one track",
        LOADS,
        "are of one track",
        lands=radio_of_one_track,
    ),
    Fault(
        "the file of the day before under a new name",
        "newest_day_is_whole",
        "0.0 listens, where at least",
        sql=f"{NO_LAST_DAY}; {_FILES_BEFORE}",
        lands=day_before_again,
    ),
    Fault(
        "candidates that were cut before they were judged",
        "candidates_suite",
        f"candidates/as_of={FOLLOWING}/for_you.parquet in the lake at ",
        during=cut_after("assets.candidates.assets._write", f"candidates/as_of={FOLLOWING}/for_you.parquet"),
    ),
    Fault(
        "candidates that were cut before lists were made of them",
        "recommendations",
        "remove it, and materialise `candidates` for the same date again",
        during=cut_after("assets.recommendations.assets.orderings", f"candidates/as_of={FOLLOWING}/discover.parquet"),
    ),
    Fault(
        "a fold that was cut before it was learned from",
        "rankers",
        "remove it, and materialise `training_set` for the same date again",
        during=cut_after("assets.ranker.assets.read_training_config", "training/as_of=*/for_you-*.parquet"),
        night=TRAINING,
    ),
)

# Each of another check, so that one night shows all of them.
TOLD = (
    Fault(
        "rankers older than 45 days",
        "recommendations_suite",
        "slates whose ranker is old: 3",
        "update ml.models set trained_as_of = trained_as_of - 60",
    ),
    Fault(
        "a country that was renamed",
        "feat_user_drift",
        "country",
        "update raw.users set country = 'Renamed' where country ="
        " (select country from raw.users where country is not null group by country order by count(*) desc limit 1)",
    ),
    Fault("every listen of a day three times", "newest_day_is_whole", "listens, where at most", lands=day_again_twice),
)
SHUFFLED = Fault(
    "rankers that learned from shuffled labels",
    "challenger_promoted",
    "REFUSED, the incumbent goes on serving: NDCG@100 may be worse",
    lands=shuffled_labels,
    night=TRAINING,
)
