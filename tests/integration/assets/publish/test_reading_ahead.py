"""Reading hashes whole: Redis is asked for the next chunk before the last one is used."""

from typing import cast

import pytest
from redis import Redis
from sample_release import in_mid_load, sample_release

from assets.publish.connections import scanned
from assets.publish.reading_back import DamagedReleaseError
from assets.publish.release import publish
from assets.publish.verification import verify
from serving_api import contract
from warehouse.redis_client import redis_client


@pytest.mark.parametrize("entries", [0, 1, 40, 3000])
def test_every_entry_is_handed_out_once(client: Redis, entries: int) -> None:
    expected = {b"%d" % number: b"x" * (number % 200) for number in range(entries)}
    if expected:
        client.hset("hash", mapping=expected)  # type: ignore[arg-type]
    chunks = list(scanned(client, "hash", 100))
    found = [pair for fields, payloads in chunks for pair in zip(fields, payloads, strict=True)]
    assert len(found) == entries
    assert dict(found) == expected


def test_a_reader_that_stops_early_leaves_no_answer_behind(client: Redis) -> None:
    client.hset("hash", mapping={str(number): "x" * 100 for number in range(3000)})
    for _ in scanned(client, "hash", 10):
        break
    assert client.get("another") is None


@pytest.mark.own_redis
def test_a_connection_that_is_closed_meanwhile_is_made_again(client: Redis, redis_url: str) -> None:
    client.hset("hash", mapping={str(number): "x" * 100 for number in range(3000)})
    found: list[bytes] = []
    with redis_client(redis_url, 10) as patient:
        for fields, _ in scanned(patient, "hash", 100):
            if not found:
                assert client.client_kill_filter(_type="normal", skipme=True)
            found += fields
    assert len(found) == len(set(found)) == 3000


@pytest.mark.own_redis
def test_what_was_under_way_when_a_connection_was_closed_is_written_all_the_same(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    in_mid_load(monkeypatch, lambda: killed or killed.append(client.client_kill_filter(_type="normal", skipme=True)))
    with redis_client(redis_url, 10) as patient:
        name = publish(patient, sample_release()).meta.release
    assert killed[0] > 0
    verify(client, name)


class Resizing(Redis):
    """Makes a hash larger and smaller in turn, so that Redis hands out some of it twice."""

    def __call__(self, key: str, payload: bytes) -> None:
        more = {f"more_{number}": payload for number in range(3000)}
        if self.hexists(key, "more_0"):
            self.hdel(key, *more)
        else:
            self.hset(key, mapping=more)  # type: ignore[arg-type]

    def hlen(self, name: str) -> int:  # type: ignore[override]
        """The length without what this has added."""
        if self.hexists(name, "more_0"):
            self(name, b"")
        return int(super().hlen(name))


def test_a_hash_that_is_made_smaller_while_it_is_read_is_read_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Resizing.from_url(redis_url) as client:
        name = publish(client, sample_release(users=300)).meta.release
        key = contract.slate_key(name, "for_you")
        payload = cast(bytes, client.hget(key, "user_7"))
        monkeypatch.setattr("assets.publish.reading_back.ENTRIES_PER_READ", 10)

        def handed_out(at_once: int) -> list[bytes]:
            found: list[bytes] = []
            for fields, _ in scanned(client, key, at_once):
                found += [field for field in fields if field.startswith(b"user")]
                client(key, payload)
            assert set(found) == {b"user_%d" % number for number in range(300)}
            assert client.hlen(key) == 300
            return found

        # Where a user is in the hash each server draws for itself.
        assert any(len(handed_out(at_once)) > 300 for at_once in range(10, 40)), "Redis handed nothing out twice"

        left = [100]

        def for_a_while() -> None:
            left[0] -= 1
            if left[0] > 0:
                client(key, payload)

        assert verify(client, name, beat=for_a_while).counts.users["for_you"] == 300
        with pytest.raises(DamagedReleaseError, match="change while they are read"):
            verify(client, name, beat=lambda: client(key, payload))
