"""What users block is in none of the lists that a run made: not in the tables, in a release, or in an answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
import pytest
from api_client import recommendations, running_api
from loading import until_somebody_waits
from pipeline_process import Pipeline
from sample_pipeline import AS_OF, FAVOURITE
from sqlalchemy import text
from typer.testing import CliRunner

from assets.blocks import ItemKind, block, unblock
from assets.publish.content import ReleaseInput
from assets.publish.warehouse_content import release_content
from assets.ranker.lists import read_list_rules
from orchestration.cli.app import app
from quality.checks.blocks import blocked_items
from warehouse.engine import adbc_connect, create_engine
from warehouse.roles import Role


def test_no_list_holds_a_blocked_artist(pipeline: Pipeline) -> None:
    ((user_id, artist_id),) = pipeline.query(FAVOURITE)
    (block,) = pipeline.json("blocks", "list", "--user", user_id)
    assert (block["user_id"], block["artist"]) == (user_id, artist_id)
    assert pipeline.query("select distinct blocks from ml.recommendation_batches") == [(1,)]
    artists = pipeline.query(
        "select artist_id, count(*) from ml.recommendations inner join core.dim_users using (user_key)"
        f" inner join core.dim_tracks using (track_key) where user_id = '{user_id}' group by artist_id"
    )
    assert len(artists) > 5
    assert artist_id not in dict(artists)


def discovered(content: ReleaseInput, user_id: str) -> list[int]:
    """The track keys of the `discover` list of one of the first users."""
    batch = next(iter(content.batches("discover")))
    place = batch.user_ids.index(user_id)
    return list(batch.track_keys[batch.offsets[place] : batch.offsets[place + 1]])


def test_a_blocked_item_in_a_list_fails_the_check_unless_the_block_came_later_and_is_in_no_release(
    pipeline: Pipeline,
) -> None:
    day = date.fromisoformat(AS_OF)
    ((user_id, track_id, made_at),) = pipeline.query(
        "select user_id, track_id, blocks_read_at from ml.recommendations inner join core.dim_users using (user_key)"
        " inner join core.dim_tracks using (track_key) inner join ml.recommendation_batches using (as_of, slate)"
        " where slate = 'discover' and rank = 1 order by user_key limit 1"
    )
    ((track_key,),) = pipeline.query(f"select track_key from core.dim_tracks where track_id = '{track_id}'")

    def holds_it(content: ReleaseInput) -> bool:
        return track_key in discovered(content, user_id)

    def released() -> bool:
        with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
            return holds_it(release_content(connection, day))

    loader = create_engine(pipeline.warehouse_url, Role.LOADER)
    with (
        create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as service,
        adbc_connect(pipeline.warehouse_url, Role.SERVICE) as reading,
    ):
        begun = release_content(reading, day)
        assert blocked_items(service, day)[:2] == (1, 0)
        assert released()
        with ThreadPoolExecutor(1) as others:
            with loader.begin() as connection:
                assert block(connection, user_id, ItemKind.TRACK, track_id)
                assert not block(connection, user_id, ItemKind.TRACK, track_id)
                meanwhile = others.submit(released)
                until_somebody_waits(pipeline.warehouse_url, meanwhile.done)
            assert not meanwhile.result(), "a block that is not committed yet is waited for"
        service.rollback()
        assert blocked_items(service, day)[:2] == (2, 0)
        assert not released()
        with loader.begin() as connection:
            connection.execute(
                text("update raw.blocks set created_at = :at where item_kind = 'track'"), {"at": made_at}
            )
        service.rollback()
        found = blocked_items(service, day)
        assert found[0] == 2 and found[1] >= 1
        assert user_id in found[2] and track_id in found[2]
        assert not released()
        assert holds_it(begun), "a release is made of one instant, whatever is committed meanwhile"
    with loader.begin() as connection:
        assert unblock(connection, user_id, ItemKind.TRACK, track_id)
        assert not unblock(connection, user_id, ItemKind.TRACK, track_id)


def test_a_block_of_a_guest_reaches_the_tracks_that_credit_them(pipeline: Pipeline) -> None:
    day = date.fromisoformat(AS_OF)
    ((user_id, track_key, guest_key, guest_id),) = pipeline.query(
        "select user_id, track_key, artists.artist_key, artists.artist_id"
        " from ml.recommendations inner join core.dim_users using (user_key)"
        " inner join core.dim_tracks as tracks using (track_key) cross join lateral ("
        "   select artist_key, artist_id from core.dim_artists where artist_key not in ("
        "     select artist_key from ml.recommendations as lists inner join core.dim_tracks using (track_key)"
        "     where lists.user_key = dim_users.user_key and artist_key is not null) limit 1"
        " ) as artists where slate = 'discover' and rank = 1 order by user_key limit 1"
    )
    loader = create_engine(pipeline.warehouse_url, Role.LOADER)
    with loader.begin() as connection:
        connection.execute(
            text(
                "insert into raw.track_artists (file_id, track_key, position, artist_key)"
                " select file_id, track_key, place, case place when 1 then artist_key else :guest end"
                " from raw.tracks cross join generate_series(1, 2) as place where track_key = :track"
            ),
            {"track": track_key, "guest": guest_key},
        )
        assert block(connection, user_id, ItemKind.ARTIST, guest_id)
    try:
        with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as service:
            assert blocked_items(service, day)[1] == 0, "the block is of the next lists"
        with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
            assert track_key not in discovered(release_content(connection, day), user_id)
        with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
            ((user_key,),) = pipeline.query(f"select user_key from core.dim_users where user_id = '{user_id}'")
            rules = read_list_rules(connection)
        assert rules.blocked(np.array([user_key, user_key + 1]), np.array([track_key] * 2)).tolist() == [True, False]
        with loader.begin() as connection:
            made_at = "(select min(blocks_read_at) from ml.recommendation_batches)"
            ((instant,),) = pipeline.query(f"select {made_at}")
            connection.execute(
                text("update raw.blocks set created_at = :at where item_key = :guest and item_kind = 'artist'"),
                {"at": instant, "guest": guest_key},
            )
        with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as service:
            assert blocked_items(service, day)[1] >= 1
    finally:
        with loader.begin() as connection:
            connection.execute(text("delete from raw.track_artists"))
            assert unblock(connection, user_id, ItemKind.ARTIST, guest_id)


def test_a_block_holds_from_the_next_request_on_until_it_is_taken_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
        monkeypatch.setenv(name, pipeline.environment[name])

    def blocks(*arguments: str) -> None:
        done = CliRunner().invoke(app, ["blocks", *arguments, "--json"])
        assert done.exit_code == 0 and '"changed": true' in done.stdout, done.output

    ((user_id,),) = pipeline.query(
        "select min(user_id) from raw.users where user_key in (select user_key from ml.recommendations)"
        f" and user_id <> (select user_id from ({FAVOURITE}) as favourite)"
    )
    ((newcomer,),) = pipeline.query(
        "select min(user_id) from raw.users where user_key not in"
        f" (select user_key from features.feat_user where as_of = date '{AS_OF}')"
    )
    with running_api(pipeline.redis_url) as api:

        def answers() -> dict[str, dict[str, Any]]:
            asked = [(user_id, "for_you"), (user_id, "discover"), (user_id, "rediscover"), (newcomer, "for_you")]
            return {f"{who} {slate}": recommendations(api, who, slate=slate, limit=100) for who, slate in asked}

        whole = answers()
        artist_id = whole[f"{user_id} discover"]["items"][0]["artist_id"]
        track_id = whole[f"{newcomer} for_you"]["items"][0]["track_id"]
        blocks("add", user_id, "--artist", artist_id)
        blocks("add", newcomer, "--track", track_id)
        shown = answers()
        for name, answer in shown.items():
            kept = [
                item
                for item in whole[name]["items"]
                if (item["track_id"] != track_id if name.startswith(newcomer) else item["artist_id"] != artist_id)
            ]
            assert [item["track_id"] for item in answer["items"]] == [item["track_id"] for item in kept], name
            assert [item["rank"] for item in answer["items"]] == list(range(1, len(kept) + 1))
        assert all(len(shown[name]["items"]) < 100 for name in (f"{user_id} discover", f"{newcomer} for_you"))
        blocks("remove", user_id, "--artist", artist_id)
        blocks("remove", newcomer, "--track", track_id)
        assert answers() == whole
