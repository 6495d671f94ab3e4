"""A mart of features over some nights, made up: what the checks of drift are tested on."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Connection, text

NIGHT = date(2026, 3, 12)
# All dates that have features; the last is the night that is judged.
DATES = [NIGHT - timedelta(days=ago) for ago in range(24, -1, -1)]
MART = "feat_user"
USERS = 800
COLUMNS = ("listens", "listens_7d", "repeat_share", "days_since_last", "days_since_first", "skip_rate")


def features(day: date, drawn: np.random.Generator) -> pd.DataFrame:
    """Users as of a day: each has listened a little more than the day before; one in three says what they skip."""
    user_key = np.arange(USERS)
    habit = np.random.default_rng(1).lognormal(2.0, 1.0, USERS)
    listens_7d = drawn.poisson(habit)
    return pd.DataFrame(
        {
            "as_of": day,
            "user_key": user_key,
            "listens": (habit * (300 + (day - DATES[0]).days)).astype(int) + listens_7d,
            "listens_7d": listens_7d,
            "repeat_share": drawn.beta(2, 3, USERS).round(6),
            "days_since_last": drawn.exponential(6.0, USERS),
            "days_since_first": user_key % 97 + 0.5 + (day - DATES[0]).days,
            "skip_rate": np.where(user_key % 3 == 0, drawn.beta(1, 4, USERS), np.nan),
        }
    )


def fill(connection: Connection) -> None:
    """Make the mart, as the transformer does, with the features of DATES, and the countries of the users."""
    connection.execute(text(_TABLES))
    connection.execute(text(_USERS), {"last": USERS - 1})
    drawn = np.random.default_rng(2)
    for day in DATES:
        frame = features(day, drawn)
        values = ", ".join(f":{name}" for name in frame.columns)
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        connection.execute(text(f"insert into features.{MART} values ({values})"), rows)


_TABLES = f"""
set local role audotics_transformer;
create table core.dim_users (user_key int, country text);
create table features.{MART} (as_of date, user_key int, listens bigint, listens_7d bigint,
    repeat_share double precision, days_since_last double precision, days_since_first double precision,
    skip_rate double precision);
create index on features.{MART} (as_of);
"""
_USERS = (
    "insert into core.dim_users select n, (array['Finland', 'Peru', 'Peru', null])[1 + n % 4]"
    " from generate_series(0, cast(:last as integer)) as n (n)"
)
