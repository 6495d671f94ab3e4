"""Feast's Python server with the same lists, to be asked beside the read API.

Feast does not resolve with our lock, so it is installed into an environment of its own: some minutes, and 600 MB.
The program in it is `FILL`: run there, it knows nothing of this project.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from redis import Redis

from orchestration.processes import Child
from warehouse.local.server import any_free_port

PACKAGE = "feast[redis]==0.67.0"
USERS_PER_BATCH = 500
# What a list of the read API says of an item, as columns of arrays.
FIELDS = ("track_id", "title", "artist", "artist_id", "score", "reason_track_id", "reason_title")
FEAST_BODY = json.dumps({"features": [f"for_you:{name}" for name in FIELDS], "entities": {"user_id": ["user_{}"]}})
FILL = f"""
import json, sys
from datetime import datetime, timezone
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float32, String

store = FeatureStore(".")
names = {FIELDS!r}
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
source = FileSource(name="lists", path="lists.parquet", timestamp_field="at")
schema = [Field(name=name, dtype=Array(Float32 if name == "score" else String)) for name in names]
view = FeatureView(name="for_you", entities=[user], schema=schema, source=source, online=True)
at = datetime.now(timezone.utc)
applied = False
for line in sys.stdin:
    rows = pd.DataFrame(json.loads(line)).assign(at=at)
    if not applied:
        rows.to_parquet("lists.parquet")
        store.apply([user, source, view])
        applied = True
    store.write_to_online_store("for_you", rows)
"""


@contextmanager
def feast_server(folder: Path, redis: Redis, api: str, secret: str, users: int) -> Iterator[str]:
    """Feast's server on loopback with the first 20 items of each user's list as the read API says them; its address.

    folder: for its environment and its registry, kept for the next time.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "env" / "bin" / "python"
    if not (python.parent / "feast").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
    known = redis.connection_pool.connection_kwargs
    password = f",password={known['password']}" if known.get("password") else ""
    (folder / "feature_store.yaml").write_text(
        json.dumps(
            {
                "project": "peer",
                "provider": "local",
                "registry": str(folder / "registry.db"),
                "online_store": {"type": "redis", "connection_string": f"127.0.0.1:{known['port']},db=15{password}"},
                "entity_key_serialization_version": 3,
            }
        )
    )
    quiet = {"FEAST_USAGE": "False"}
    with subprocess.Popen(
        [str(python), "-c", FILL],
        cwd=folder,
        env=os.environ | quiet,
        stdin=subprocess.PIPE,
        text=True,
    ) as filling:
        assert filling.stdin is not None
        for batch in _lists(api, secret, users):
            filling.stdin.write(json.dumps(batch) + "\n")
        filling.stdin.close()
        if filling.wait():
            raise SystemExit("Feast does not take the lists")
    port = any_free_port()
    # Of its own accord a worker ends after 1,000 requests, and the next one begins.
    command = [str(folder / "env" / "bin" / "feast"), "--chdir", str(folder), "serve", "--port", str(port)]
    command += ["--no-access-log", "--max-requests", "0"]
    with Child("Feast", command, quiet, folder / "feast.log") as server:
        url = f"http://127.0.0.1:{port}"
        server.wait_for(f"{url}/health", 120)
        _require_same(url, next(_lists(api, secret, 1))[0])
        yield url


def _require_same(url: str, row: dict[str, object]) -> None:
    """Raise SystemExit unless Feast says of a user what the read API does."""
    body = FEAST_BODY.replace('["user_{}"]', json.dumps([row["user_id"]]))
    said = httpx.post(f"{url}/get-online-features", json=json.loads(body), timeout=60).raise_for_status().json()
    names, values = said["metadata"]["feature_names"], [each["values"][0] for each in said["results"]]
    listed = dict(zip(names, values, strict=True))
    if listed["track_id"] != row["track_id"] or listed["title"] != row["title"]:
        raise SystemExit(f"Feast serves another list than the read API: {listed['track_id']}")


def _lists(api: str, secret: str, users: int) -> Iterator[list[dict[str, object]]]:
    """What the read API says of each user, as rows of `FIELDS`."""
    with httpx.Client(base_url=api, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
        for first in range(0, users, USERS_PER_BATCH):
            ids = [f"user_{number}" for number in range(first, min(first + USERS_PER_BATCH, users))]
            answer = client.post("/v1/recommendations:batchGet", json={"user_ids": ids, "limit": 20})
            answer.raise_for_status()
            yield [_row(each) for each in answer.json()["lists"]]


def _row(listed: dict[str, object]) -> dict[str, object]:
    items: list[dict[str, object]] = listed["items"]  # type: ignore[assignment]
    row: dict[str, object] = {"user_id": listed["user_id"]}
    for name in FIELDS:
        kind, _, of_reason = name.partition("reason_")
        row[name] = [item[kind] if kind else ((item["reason"] or {}).get(of_reason) or "") for item in items]  # type: ignore[attr-defined]
    return row
