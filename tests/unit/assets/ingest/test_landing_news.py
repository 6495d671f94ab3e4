"""What of the landing folder a tick asks for, and what it waits for."""

from datetime import UTC, datetime

import pytest

from assets.ingest.landing_files import LandedFile
from assets.ingest.landing_ledger import Noted
from assets.ingest.landing_news import FILES_PER_RUN, Watched, news


def file(name: str, size: int = 1, version: str = "1") -> LandedFile:
    return LandedFile(f"/landing/{name}", name, size, version)


def noted(*files: LandedFile, fault: str | None = None) -> dict[str, Noted]:
    since = datetime(2026, 6, 1, tzinfo=UTC)
    return {
        each.path: Noted(each.path, *each.stamp, "lastfm", fault, fault is not None, tries=1, since=since)
        for each in files
    }


def test_a_file_is_ready_when_a_second_tick_finds_it_as_the_first_did() -> None:
    first = news([file("a")], {}, Watched())
    assert (first.ready, first.unsettled) == ((), 1)
    grown = news([file("a", size=2)], {}, first.watched)
    assert (grown.ready, grown.unsettled) == ((), 1)
    touched = news([file("a", size=2, version="2")], {}, grown.watched)
    assert touched.ready == ()
    complete = news([file("a", size=2, version="2"), file("b")], {}, touched.watched)
    assert (complete.ready, complete.unsettled) == (("/landing/a",), 1)


def test_what_was_noted_is_news_only_when_it_changes() -> None:
    lying = [file("a"), file("b")]
    known = noted(file("a"), file("b"), fault="it is damaged")
    assert news(lying, known, Watched()).watched == Watched()
    repaired = [file("a"), file("b", version="2")]
    watched = news(repaired, known, Watched()).watched
    assert news(repaired, known, watched).ready == ("/landing/b",)


def test_a_file_that_is_gone_is_news_where_it_had_a_fault() -> None:
    assert news([], noted(file("a")), Watched()).watched == Watched()
    known = noted(file("a"), fault="it is damaged")
    assert news([], known, news([], known, Watched()).watched).ready == ("/landing/a",)


def test_what_lies_below_a_folder_that_cannot_be_read_now_is_not_gone() -> None:
    known = noted(file("shop/a"), file("shops"), fault="it is damaged")
    closed = [LandedFile("/landing/shop", "shop", unreadable="Permission denied")]
    watched = news(closed, known, Watched()).watched
    assert news(closed, known, watched).ready == ("/landing/shop", "/landing/shops")


def test_of_many_new_files_a_bounded_number_is_asked_for_and_the_rest_is_next() -> None:
    lying = [file(f"{number:05}") for number in range(5 * FILES_PER_RUN)]
    first = news(lying, {}, Watched())
    second = news(lying, {}, first.watched)
    assert second.ready == tuple(each.path for each in lying[:FILES_PER_RUN])
    assert len(second.watched.digests) == 2 * FILES_PER_RUN
    third = news(lying, noted(*lying[:FILES_PER_RUN]), second.watched)
    assert third.ready == tuple(each.path for each in lying[FILES_PER_RUN : 2 * FILES_PER_RUN])
    assert len({second.key, third.key}) == 2


def test_uploads_that_never_end_hold_up_no_other_file() -> None:
    watched = Watched()
    for size in (1, 2):
        found = news([file("endless", size=size), file("small")], {}, watched)
        watched = found.watched
    assert (found.ready, found.unsettled) == (("/landing/small",), 1)


@pytest.mark.parametrize("complete", ["a complete", "z complete"])
def test_any_number_of_uploads_that_never_end_takes_turns_with_the_others(complete: str) -> None:
    watched, ready = Watched(), set[str]()
    for tick in range(8):
        endless = [file(f"endless {number:05}", size=tick) for number in range(5 * FILES_PER_RUN)]
        found = news([*endless, file(complete)], {}, watched)
        watched, ready = found.watched, ready | set(found.ready)
        assert len(watched.digests) <= 2 * FILES_PER_RUN
    assert ready == {f"/landing/{complete}"}


def test_the_key_is_of_what_is_ready_as_it_lies_there() -> None:
    def key(version: str) -> str:
        lying = [file("a", version=version)]
        return news(lying, {}, news(lying, {}, Watched()).watched).key

    assert key("1") == key("1") != key("2")
