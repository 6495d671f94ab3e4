"""Listens read from the warehouse: what is before `as_of` and what is not."""

from datetime import date, timedelta

import psycopg2

from assets.candidates.pool import SourcesConfig, fit_sources
from assets.listens import epoch_seconds, read_listens
from warehouse.engine import adbc_connect

AS_OF = date(2020, 3, 1)


def test_fractions_of_a_second_stay_on_their_side_of_as_of(warehouse_url: str) -> None:
    connection = psycopg2.connect(warehouse_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "create schema if not exists core;"
            " create table core.fct_listens"
            " (user_key integer, track_key integer, listened_at timestamptz, session_key bigint);"
            " create table core.dim_unlikely_listeners (user_key integer, unlikely_since date);"
            " insert into core.fct_listens values"
            " (1, 10, '2020-02-29 23:59:58.4+00', 1), (1, 11, '2020-02-29 23:59:59.6+00', 1),"
            " (1, 12, '2020-03-01 00:00:00.6+00', 1), (1, 13, '2020-03-01 23:59:59.6+00', 1)"
        )
    connection.close()
    instant = epoch_seconds(AS_OF)
    with adbc_connect(warehouse_url) as adbc:
        before = read_listens(adbc, AS_OF)
        day = read_listens(adbc, AS_OF + timedelta(days=1), start=AS_OF)
    assert list(zip(before.track_key.tolist(), before.listened_at.tolist(), strict=True)) == [
        (10, instant - 2),
        (11, instant - 1),
    ]
    assert list(zip(day.track_key.tolist(), day.listened_at.tolist(), strict=True)) == [
        (12, instant),
        (13, instant + 86_399),
    ]
    assert fit_sources(before, AS_OF, SourcesConfig())
    assert before.before(AS_OF).track_key.tolist() == [10, 11]
