"""A publisher killed at any instant: the old release or the new one is live, and a rerun leaves no trace."""

import pytest
from killed_process import kill_when_it_says
from redis import Redis
from sample_release import contents, release_ids, sample_release

from assets.publish.plan import plan_release
from assets.publish.release import publish
from serving_api.contract import LIVE

# Publishes the second release and stops for good at the instant named by its second argument.
pytestmark = pytest.mark.slow

PUBLISHER = """
import sys, time
from redis import Redis
from assets.publish import release as publishing
from assets.publish.spool import Spool
from sample_release import sample_release

def stall(*ignored):
    print("stalled", flush=True)
    time.sleep(600)

url, instant = sys.argv[1:]
client = Redis.from_url(url)
commands = Spool.commands

def stalling(at):
    def commands_until(spool, release):
        for number, command in enumerate(commands(spool, release)):
            if number == at:
                stall()
            yield command
    return commands_until

def then_stall(function):
    return lambda *arguments: (function(*arguments), stall())

if instant == "the catalogue is half loaded":
    Spool.commands = stalling(2)
elif instant == "the lists are half loaded":
    # The last one that was sent may not have arrived.
    Spool.commands = stalling(20)
elif instant == "the release is loaded":
    publishing.load = then_stall(publishing.load)
elif instant == "the release is live":
    publishing._flip = then_stall(publishing._flip)
publishing.publish(client, sample_release("second"), lock_seconds=1)
"""

INSTANTS = [
    "the catalogue is half loaded",
    "the lists are half loaded",
    "the release is loaded",
    "the release is live",
]


def kill_a_publisher_when(instant: str, url: str) -> None:
    kill_when_it_says("stalled", PUBLISHER, url, instant)


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_publisher_killed_when(instant: str, client: Redis, other_client: Redis, redis_url: str) -> None:
    """… leaves a whole release live, and its rerun the same keys as an undisturbed run."""
    for undisturbed in (client, other_client):
        publish(undisturbed, sample_release("oldest"))
        publish(undisturbed, sample_release("first"))
    old, new = (plan_release(sample_release(marker)).release for marker in ("first", "second"))
    kill_a_publisher_when(instant, redis_url)
    assert client.get(LIVE) == (new if instant == "the release is live" else old).encode()
    assert len(release_ids(client)) == 3, "the kill came too late to leave anything behind"

    rerun = publish(client, sample_release("second"), lock_seconds=1)
    publish(other_client, sample_release("second"))
    assert (rerun.meta.release, rerun.previous) == (new, old)
    assert contents(client) == contents(other_client)
    assert release_ids(client) == {old, new}


def test_the_leftovers_of_a_killed_publisher_go_with_the_next_release_whatever_it_is(
    client: Redis, other_client: Redis, redis_url: str
) -> None:
    for undisturbed in (client, other_client):
        publish(undisturbed, sample_release("first"))
    kill_a_publisher_when("the lists are half loaded", redis_url)
    assert len(release_ids(client)) == 2
    publish(client, sample_release("third"), lock_seconds=1)
    publish(other_client, sample_release("third"))
    assert contents(client) == contents(other_client)
