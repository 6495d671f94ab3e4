"""The warehouse that blocks are changed in."""

from collections.abc import Iterator

import pytest
from blocked_items import CATALOGUE
from sqlalchemy import Engine, text

from warehouse.engine import create_engine
from warehouse.roles import Role


@pytest.fixture
def loader(warehouse_url: str) -> Iterator[Engine]:
    """The warehouse with seven tracks, as the role that changes blocks."""
    engine = create_engine(warehouse_url, Role.LOADER)
    with engine.begin() as connection:
        connection.execute(text(CATALOGUE))
    yield engine
    engine.dispose()
