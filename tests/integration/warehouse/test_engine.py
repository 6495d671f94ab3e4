"""Connections that the rest of the platform uses."""

import pyarrow
import pytest
import sqlalchemy

from warehouse.engine import adbc_connect, create_engine
from warehouse.errors import AudoticsError


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_accepted_scheme_connects_through_psycopg2_in_utc(warehouse_url: str, scheme: str) -> None:
    engine = create_engine(warehouse_url.replace("postgresql", scheme, 1))
    with engine.connect() as connection:
        zone: str = connection.execute(sqlalchemy.text("SHOW timezone")).scalar_one()
    engine.dispose()
    assert (engine.dialect.driver, zone) == ("psycopg2", "UTC")


def test_another_scheme_is_refused_without_showing_the_password() -> None:
    with pytest.raises(AudoticsError, match="AUDOTICS_WAREHOUSE_URL") as raised:
        create_engine("mysql://someone:hunter2@db.example/audotics")
    assert "hunter2" not in str(raised.value)


def test_adbc_loads_arrow_and_reads_it_back_in_utc_whatever_the_url_asks_for(warehouse_url: str) -> None:
    table = pyarrow.table({"user_key": pyarrow.array([3, 1, 2], pyarrow.int32())})
    with (
        adbc_connect(f"{warehouse_url}?options=-c%20timezone%3DAsia%2FTokyo") as connection,
        connection.cursor() as cursor,
    ):
        cursor.adbc_ingest("loaded", table, mode="create")
        connection.commit()
        cursor.execute("SELECT user_key, current_setting('TimeZone') FROM loaded ORDER BY user_key")
        assert cursor.fetchall() == [(1, "UTC"), (2, "UTC"), (3, "UTC")]
