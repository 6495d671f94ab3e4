"""`audotics keys` against a Redis: what it prints, once and later, and what it refuses."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from orchestration.cli.app import app
from serving_api.access.credentials import digest
from serving_api.access.key_admin import list_keys
from warehouse.errors import AudoticsError


def keys(redis_url: str, *arguments: str) -> Result:
    # Where Redis is given, no warehouse is needed: the home is one that cannot be.
    environment = {"AUDOTICS_REDIS_URL": redis_url, "AUDOTICS_HOME": "/dev/null/home"}
    return CliRunner().invoke(app, ["keys", *arguments], env=environment)


def printed(redis_url: str, *arguments: str) -> Any:
    done = keys(redis_url, *arguments, "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def test_a_key_from_its_making_to_its_end(client: Redis, redis_url: str) -> None:
    made = printed(redis_url, "create", "backend", "--role", "reader", "--scope", "operate", "--days", "30")
    assert made["scopes"] == ["catalogue:read", "lists:read", "operate"]
    assert made["state"] == "valid"
    expires = datetime.fromisoformat(made["expires_at"])
    assert timedelta(days=29) < expires - datetime.now(UTC) <= timedelta(days=30)
    (held,) = list_keys(client).keys
    assert held.secrets[0].sha256 == digest(made["secret"]).hex()
    listed = keys(redis_url, "list")
    assert made["id"] in listed.stdout and "backend" in listed.stdout
    assert made["secret"] not in listed.stdout and held.secrets[0].sha256 not in listed.stdout
    rotated = keys(redis_url, "rotate", made["id"], "--overlap-hours", "2")
    # The secret alone, to be passed on.
    assert digest(rotated.stdout.strip()).hex() == list_keys(client).keys[0].secrets[0].sha256
    (shown,) = printed(redis_url, "list")["keys"]
    assert shown["id"] == made["id"] and shown["old_secret_until"] is not None
    assert printed(redis_url, "revoke", made["id"]) == {"id": made["id"], "revoked": True}
    assert printed(redis_url, "list") == {"keys": [], "unreadable": []}


def test_what_is_not_possible_says_what_to_do(client: Redis, redis_url: str) -> None:
    for arguments, told in (
        (("create", "x"), "give --scope or --role"),
        (("create", "x", "--scope", "everything"), "choose of lists:read"),
        (("create", "x", "--role", "listener"), "choose of reader, app, operator"),
        (("rotate", "none"), "audotics keys list"),
        (("revoke", "none"), "audotics keys list"),
    ):
        refused = keys(redis_url, *arguments)
        assert isinstance(refused.exception, AudoticsError) and told in str(refused.exception)
    assert not list_keys(client).keys
    silent = keys("redis://127.0.0.1:1/0", "list")
    assert isinstance(silent.exception, AudoticsError) and "not reachable" in str(silent.exception)
