"""Listens as nightly files leave them in the raw tables: who listened when, from which source, loaded when."""

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from functools import cache
from io import StringIO

import numpy as np
import pandas as pd
import psycopg2
from psycopg2.extras import execute_values

from quality.days import READ_DAYS
from quality.nights import LATEST_NIGHTS

DAY = date(2026, 1, 1)
NIGHT = pd.Timedelta(hours=27)
LISTENERS = 80
# Starts per listener and day: a night in which nearly nobody listens, and weekends on which half as many again do.
_BY_HOUR = np.repeat([0.01, 0.3, 0.6, 1.2], 6)

Plant = Callable[[pd.DataFrame], pd.DataFrame]


@cache
def world(
    listeners: int = LISTENERS, days: int = READ_DAYS + LATEST_NIGHTS + 1, source: str = "spotify"
) -> pd.DataFrame:
    """Listens up to DAY: user_key, listened_at, source, day; two thirds listen on a day."""
    drawn = np.random.default_rng(17)
    found = []
    for day in pd.date_range(end=DAY, periods=days, tz="UTC"):
        awake = drawn.random(listeners) < (0.9 if day.day_of_week >= 5 else 0.6)
        counts = drawn.poisson(_BY_HOUR * awake[:, None])
        user_key, hour = np.repeat(np.argwhere(counts >= 0), counts.ravel(), axis=0).T
        second = drawn.choice(3600, len(hour))
        listened_at = day + pd.to_timedelta(hour, unit="h") + pd.to_timedelta(second, unit="s")
        found.append(pd.DataFrame({"user_key": user_key, "listened_at": listened_at, "source": source, "day": day}))
    return pd.concat(found, ignore_index=True)


def night_of(day: "pd.Series[pd.Timestamp]", nights_later: int = 0) -> "pd.Series[pd.Timestamp]":
    """When the file of a day is loaded: at 02:00, an hour before it is judged."""
    return day + NIGHT - pd.Timedelta(hours=1) + pd.Timedelta(days=nights_later)


def land(
    warehouse_url: str, listens: pd.DataFrame, loaded_at: "pd.Series[pd.Timestamp] | None" = None, at_once: bool = False
) -> None:
    """Put the listens where nightly loads would: a file of each source and `day`, or of each source alone."""
    listens = listens.assign(loaded_at=night_of(listens["day"]) if loaded_at is None else loaded_at)
    listens = listens.drop_duplicates(["user_key", "listened_at"])
    grouped = listens.groupby(["source"] if at_once else ["loaded_at", "source", "day"])
    listens["file_id"] = grouped.ngroup() + 1
    files = listens.groupby("file_id").agg(
        last=("listened_at", "max"), loaded_at=("loaded_at", "max"), rows=("day", "size"), source=("source", "first")
    )
    listens["track_key"] = 0
    files = files.assign(sha256=files.index, format=files["source"], path=files.index, bytes=1, rejected=0, same=0)
    rows = listens[["user_key", "track_key", "listened_at", "source", "file_id", "loaded_at"]]
    with closing(psycopg2.connect(warehouse_url)) as connection, connection, connection.cursor() as cursor:
        for table, copied in ((_FILES, files.reset_index()[_OF_FILE]), (_LISTENS, rows)):
            times = {name: _as_text(values) for name, values in copied.items() if values.dtype.kind == "M"}
            text = copied.assign(**times).to_csv(header=False, index=False, sep="\t")
            cursor.copy_expert(f"copy {table} from stdin", StringIO(text))


def _as_text(times: pd.Series) -> np.ndarray:
    """As PostgreSQL reads them; pandas takes longer than everything else to write them."""
    return np.char.add(times.dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(str), "+00")


_OF_FILE = ["file_id", "sha256", "format", "path", "bytes", "rows", "rows", "rejected", "same", "last"]
_OF_FILE += ["loaded_at", "loaded_at"]
_FILES = (
    "raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected, rows_duplicate,"
    " last_listened_at, started_at, finished_at)"
)
_LISTENS = "raw.listens (user_key, track_key, listened_at, source, file_id, ingested_at)"


def stated_country(warehouse_url: str, country: str, listeners: int = LISTENERS) -> None:
    """Let every profile name the country."""
    with closing(psycopg2.connect(warehouse_url)) as connection, connection, connection.cursor() as cursor:
        execute_values(
            cursor,
            "insert into raw.users (user_key, user_id, country, listener_key) values %s",
            [(user, f"user {user}", country, user) for user in range(listeners)],
        )


def on_day(listens: pd.DataFrame, day: date = DAY) -> "pd.Series[bool]":
    return listens["listened_at"].dt.floor("D") == pd.Timestamp(day, tz="UTC")


def drop(listens: pd.DataFrame, chosen: "pd.Series[bool]", day: date = DAY) -> pd.DataFrame:
    """Without those of the day that are chosen."""
    return listens[~(on_day(listens, day) & chosen)]


def day_before(days: int = 1) -> date:
    return DAY - timedelta(days=days)
