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
from faults.campaign import Fault, Phase, run
from faults.clients import Seen
from faults.judge import Answer, Asked, Judge, Verdict
from faults.known import Blocked, KnownRelease, Shown, known_release
from faults.release_faults import calm
from faults.report import COLUMNS, row_of, rows_of
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
    assert {row.fault: row.unseen for row in rows if row.unseen} == {}, "no answer shows these faults"
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


def word(judge: Judge, body: Any, status: int = 200, asked: Asked = ASKED, seconds: float = 0.01) -> str:
    begun = time.monotonic()
    return judge.verdict(asked, Answer(status, body, begun, begun + seconds)).word


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
        assert word(judge, document(one, right)) == "wrong", "it cannot have been read"
        assert word(judge, {"type": PROBLEM}, 503) == "unexpected", "there is a fallback"
        assert word(judge, {"type": PROBLEM}, 503, page) == "refused"
        assert word(judge, {}, 500) == "unexpected"
        assert word(judge, {"type": "urn:audotics:problem:release-gone"}, 410, page) == "unexpected", "it is kept"


def test_an_unconfirmed_change_of_a_block_may_be_either_and_a_confirmed_one_holds(
    judge: Judge, releases: dict[str, KnownRelease]
) -> None:
    one, timeline = releases["one"], judge.blocked[USER]
    before = timeline.now
    after = Blocked(before.tracks | {one.list_of(USER, "for_you", before).items[0].track_id})
    shown = [document(one, one.list_of(USER, "for_you", each).items[:5]) for each in (before, after)]
    timeline.may_become(after)
    assert [word(judge, each) for each in shown] == ["right", "right"]
    timeline.may_become(before)
    assert [word(judge, each) for each in shown] == ["right", "right"], "the first change may be late"
    timeline.became()
    assert [word(judge, each) for each in shown] == ["right", "wrong"]
    timeline.may_become(after)
    timeline.became()
    assert [word(judge, each) for each in shown] == ["wrong", "right"]
    assert timeline.possible == [after]


def test_a_change_of_a_block_may_be_refused_only_while_something_is_broken(judge: Judge) -> None:
    change = Asked("block", f"/v1/users/{USER}/blocks/track/t-1", (USER,))
    refusal = {"type": PROBLEM}
    assert word(judge, refusal, 503, change) == "unexpected"
    assert word(judge, {}, 204, change) == "right"
    with disturbed(judge):
        assert word(judge, refusal, 503, change) == "refused"
        assert word(judge, {}, 204, change) == "wrong", "it cannot have been kept"
        judge.history.disturbances[-1].keys_lost = True
        assert word(judge, {}, 204, change) == "right", "an empty Redis keeps it"
    with judge.history.full.changing(True):
        assert word(judge, refusal, 503, change) == "refused"
        assert word(judge, {"type": PROBLEM}, 503, Asked("search", "/v1/search?q=x")) == "unexpected"


def test_slow_answers_fail_a_phase_when_they_are_many(judge: Judge, releases: dict[str, KnownRelease]) -> None:
    one = releases["one"]
    told = {"source": "popular", "fallback_reason": "store_unavailable", "model_version": None}
    fallback = document(one, one.popular()[:5], **told)
    assert word(judge, fallback) == "wrong"
    assert word(judge, fallback, seconds=0.6) == "slow"
    assert word(judge, {"type": PROBLEM}, 503, Asked("ready", "/readyz"), seconds=0.6) == "slow"
    with disturbed(judge):
        assert word(judge, fallback, seconds=0.6) == "fallback"

    def faults(slow: int) -> tuple[str, ...]:
        words = [Verdict("slow", "store_unavailable")] * slow + [Verdict("right", "personal")] * (100 - slow)
        seen = [Seen("personal", verdict, None, 0.0, 0.0) for verdict in words]
        return row_of(Fault("none", calm), Phase("none", 0.0, 1.0, seen)).faults

    assert faults(2) == ()
    assert faults(3) == ("slow: 3 of 100 answers fell back or were refused with nothing broken",)
