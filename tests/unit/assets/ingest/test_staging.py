"""Batches are parsed one after the other beside the reading, and what goes wrong is what went wrong first."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from assets.ingest.parse import Parser
from assets.ingest.records import REJECT_SCHEMA, ParseRules, RawBatch
from assets.ingest.staging import parsed_batches
from tests.unit.assets.ingest.parsing import GOOD, ISO
from warehouse.errors import AudoticsError


def batch(user: str, done: float = 1.0) -> RawBatch:
    values = {name: [value] for name, value in (GOOD | {"user_id": user}).items()}
    return RawBatch(pa.table({"line": pa.array([1], pa.int64()), **values}), REJECT_SCHEMA.empty_table(), done)


class Faulty(Parser):
    """Cannot parse what ada listened to."""

    def __init__(self, rules: ParseRules = ISO) -> None:
        super().__init__(rules, datetime.now(UTC))

    def parse(self, batch: RawBatch):
        if batch.rows["user_id"][0].as_py() == "ada":
            raise AudoticsError("ada cannot be parsed")
        return super().parse(batch)


def breaking_after(*users: str) -> Iterator[RawBatch]:
    yield from map(batch, users)
    raise AudoticsError("the file ends early")


def users(batches: Iterator[RawBatch]) -> list[str]:
    found = []
    for raw, parsed in parsed_batches(batches, Faulty()):
        assert raw.rows["user_id"] == parsed.listens["user_id"]
        found.append(parsed.listens["user_id"][0].as_py())
    return found


def test_batches_come_out_in_their_order_each_with_its_own() -> None:
    assert users(iter(())) == []
    assert users(map(batch, "bcdefgh")) == list("bcdefgh")


def test_of_two_faults_the_earlier_one_is_told() -> None:
    with pytest.raises(AudoticsError, match="the file ends early"):
        users(breaking_after("bob", "eve"))
    with pytest.raises(AudoticsError, match="ada cannot be parsed"):
        users(breaking_after("bob", "ada"))
    with pytest.raises(AudoticsError, match="ada cannot be parsed"):
        users(map(batch, ["ada", "bob", "eve"]))


def test_who_stops_early_leaves_no_thread_behind() -> None:
    before = threading.enumerate()
    batches = parsed_batches(map(batch, "bcdef"), Faulty())
    next(batches)
    assert threading.enumerate() != before
    batches.close()
    assert threading.enumerate() == before
