"""A read API under load while releases, Redis, the identity provider and callers go wrong: all of `faults`."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from faults.all_faults import ALL
from faults.campaign import run
from faults.judge import Answer, Asked, Judge
from faults.known import Blocked, KnownRelease, Shown, known_release
from faults.report import COLUMNS, rows_of
from faults.timeline import Disturbance, Pointers, Timeline

from orchestration.cli.rendering import note, print_table

USER = "user_7"
ASKED = Asked("personal", f"/v1/users/{USER}/recommendations?limit=5", (USER,), limit=5)
PROBLEM = "urn:audotics:problem:store-unavailable"


@pytest.mark.slow
def test_clients_get_one_whole_list_or_what_is_promised_whatever_happens(tmp_path: Path) -> None:
    rows = rows_of(ALL, asyncio.run(run(tmp_path, ALL, note)))
    print_table("What clients saw", COLUMNS, [row.cells for row in rows])
    assert {row.fault: row.faults for row in rows if row.faults} == {}
    assert {row.fault: row.unseen for row in rows if row.unseen} == {}, "nobody met the fault"
    assert sum(row.personal for row in rows) > 1000


@pytest.fixture(scope="module")
def releases() -> dict[str, KnownRelease]:
    return {marker: known_release(marker) for marker in ("one", "two")}


@pytest.fixture
def judge(releases: dict[str, KnownRelease]) -> Judge:
    """Of a time in which the first release is live, and the user has blocked something."""
    made = Judge(releases={each.name: each for each in releases.values()})
    with made.history.pointers.changing(Pointers(releases["one"].name)):
        pass
    first = releases["one"].list_of(USER, "for_you", Blocked()).items[0]
    made.blocked[USER] = Timeline(Blocked(frozenset({first.track_id})))
    return made


def document(release: KnownRelease, items: list[Shown], **changed: Any) -> dict[str, Any]:
    """An answer with these items."""
    listed = [
        {
            "rank": rank,
            "track_id": item.track_id,
            "title": item.title,
            "artist_id": item.artist_id,
            "reason": {"type": "because_you_listened_to", "title": item.because} if item.because else None,
        }
        for rank, item in enumerate(items, 1)
    ]
    told = {"source": "personal", "fallback_reason": None, "country": None, "user_id": USER}
    return {"release": release.name, "model_version": f"for_you-{release.marker}", "items": listed, **told, **changed}


def word(judge: Judge, body: Any, status: int = 200, asked: Asked = ASKED) -> str:
    begun = time.monotonic()
    return judge.verdict(asked, Answer(status, body, begun, begun + 0.01)).word


def test_the_judge_knows_a_right_list_from_every_wrong_one(judge: Judge, releases: dict[str, KnownRelease]) -> None:
    one, two = releases["one"], releases["two"]
    blocked = judge.blocked[USER].now
    right, whole = one.list_of(USER, "for_you", blocked).items[:5], one.list_of(USER, "for_you", Blocked()).items[:5]
    assert word(judge, document(one, right)) == "right"
    wrong = {
        "blocks are not respected": document(one, whole),
        "a release that is not live": document(two, two.list_of(USER, "for_you", blocked).items[:5]),
        "an item is missing": document(one, right[:4]),
        "two items change places": document(one, [right[1], right[0], *right[2:]]),
        "another user's": document(one, one.list_of("user_8", "for_you", Blocked()).items[:5]),
        "for another user": document(one, right, user_id="user_8"),
        "of another model": document(one, right, model_version="discover-one"),
        "a fallback without a cause": document(
            one, one.popular()[:5], source="popular", fallback_reason="store_unavailable", model_version=None
        ),
    }
    assert {what: word(judge, body) for what, body in wrong.items()} == dict.fromkeys(wrong, "wrong")
    others = two.list_of(USER, "for_you", blocked).items
    assert word(judge, document(one, [*right[:4], others[0]])) == "mixture"
    assert word(judge, document(two, right)) == "mixture"
    assert word(judge, {"type": PROBLEM}, 503) == "unexpected"
    assert word(judge, {"type": "urn:audotics:problem:not-authenticated"}, 401) == "unexpected"


@contextmanager
def disturbed(judge: Judge) -> Iterator[None]:
    """Within, the store is gone."""
    since = time.monotonic()
    judge.history.disturbances.append(Disturbance(since, broken=since))
    yield
    judge.history.disturbances.pop()


def test_the_judge_knows_what_is_promised_while_the_store_is_gone(
    judge: Judge, releases: dict[str, KnownRelease]
) -> None:
    one, two = releases["one"], releases["two"]
    told = {"source": "popular", "fallback_reason": "store_unavailable", "model_version": None}
    right = one.list_of(USER, "for_you", judge.blocked[USER].now).items[:5]
    page = Asked(**asdict(ASKED) | {"kind": "page", "pinned": one.name})
    with disturbed(judge):
        assert word(judge, document(one, one.popular()[:5], **told)) == "fallback"
        assert word(judge, document(one, one.popular()[:4], **told)) == "wrong"
        assert word(judge, document(two, two.popular()[:5], **told)) == "wrong", "it was never live"
        assert word(judge, document(one, right)) == "wrong", "nobody can have read it"
        assert word(judge, {"type": PROBLEM}, 503) == "unexpected", "there is a fallback"
        assert word(judge, {"type": PROBLEM}, 503, page) == "refused"
        assert word(judge, {}, 500) == "unexpected"
        assert word(judge, {"type": "urn:audotics:problem:release-gone"}, 410, page) == "unexpected", "it is kept"
