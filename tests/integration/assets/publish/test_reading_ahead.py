"""Reading hashes whole: Redis is asked for the next chunk before the last one is used."""

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


def test_a_connection_that_is_closed_meanwhile_is_made_again(client: Redis, redis_url: str) -> None:
    client.hset("hash", mapping={str(number): "x" * 100 for number in range(3000)})
    found: list[bytes] = []
    with redis_client(redis_url, 10) as patient:
        for fields, _ in scanned(patient, "hash", 100):
            if not found:
                assert client.client_kill_filter(_type="normal", skipme=True)
            found += fields
    assert len(found) == len(set(found)) == 3000


def test_what_was_under_way_when_a_connection_was_closed_is_written_all_the_same(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    in_mid_load(monkeypatch, lambda: killed or killed.append(client.client_kill_filter(_type="normal", skipme=True)))
    with redis_client(redis_url, 10) as patient:
        name = publish(patient, sample_release()).meta.release
    assert killed[0] > 0
    verify(client, name)


class _Resizing:
    """Makes a hash larger and smaller in turn, so that Redis hands out some of it twice."""

    def __init__(self, client: Redis, key: str, payload: bytes, beats: int) -> None:
        self._client, self._key, self._beats = client, key, beats
        self._more = {f"more_{number}": payload for number in range(3000)}
        self._larger = False

    def __call__(self) -> None:
        self._beats -= 1
        if self._beats >= 0 or self._larger:
            self._larger = not self._larger
            if self._larger:
                self._client.hset(self._key, mapping=self._more)  # type: ignore[arg-type]
            else:
                self._client.hdel(self._key, *self._more)


def test_a_hash_that_is_made_smaller_while_it_is_read_is_read_again(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = publish(client, sample_release(users=300)).meta.release
    key = contract.slate_key(name, "for_you")
    payload = client.hget(key, "user_7")
    assert isinstance(payload, bytes)
    monkeypatch.setattr("assets.publish.reading_back.ENTRIES_PER_READ", 10)
    found: list[bytes] = []
    resize = _Resizing(client, key, payload, 40)
    for fields, _ in scanned(client, key, 10):
        found += [field for field in fields if field.startswith(b"user")]
        resize()
    assert set(found) == {b"user_%d" % number for number in range(300)}
    assert len(found) > 300, "Redis handed nothing out twice"
    assert client.hlen(key) == 300

    assert verify(client, name, beat=_Resizing(client, key, payload, 101)).counts.users["for_you"] == 300
    with pytest.raises(DamagedReleaseError, match="change while they are read"):
        verify(client, name, beat=_Resizing(client, key, payload, 10**6))
