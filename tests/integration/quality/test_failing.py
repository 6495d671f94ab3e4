"""The rows behind a figure."""

from quality.failing import first_rows
from warehouse.engine import create_engine


def test_a_query_may_say_whatever_sql_says_and_shows_its_first_rows(warehouse_url: str) -> None:
    query = (
        "select n::text as \"share %\", 'a:b 50%' as said"
        " from generate_series(1, 9) as n where 'x%' like '%x_' order by n"
    )
    with create_engine(warehouse_url).connect() as connection:
        assert first_rows(connection, query, 2) == [
            {"share %": "1", "said": "a:b 50%"},
            {"share %": "2", "said": "a:b 50%"},
        ]
        assert first_rows(connection, query.replace("%x_", "%y"), 2) == []
