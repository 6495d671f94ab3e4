"""Accounts that cannot be people are known by a reason, people are not, and no public list depends on such accounts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from dbt_process import WITHOUT_TESTS, Dbt
from sample_warehouse import WORLD
from shared_servers import SharedServers
from unlikely_accounts import PEOPLE, REASONS, load_rows, people_rows, unlikely_rows

from assets.candidates.pool import SourcesConfig, fit_sources
from assets.catalogue import keys_by_id, read_catalogue
from assets.dbt_project import BUILD, dates_environment
from assets.features.join import join_features
from assets.features.marts import feature_reader
from assets.listens import UnlikelyListeners, read_listens
from assets.metrics.protocol import relevant_tracks
from assets.publish.popular_content import country_popular, popular, trending
from assets.publish.similar_content import artist_tracks
from assets.similar.lists import public_history, read_item_listens, similar_rows
from assets.similar.sources import Item, SimilarConfig
from assets.slates import Slate
from warehouse.engine import adbc_connect

pytestmark = pytest.mark.slow

AS_OF = WORLD.until
LAST_DAY = AS_OF - timedelta(days=1)
BEFORE = AS_OF - timedelta(days=3)
SONGS = """
select artist_name, title from core.dim_tracks inner join core.fct_listens using (track_key)
where artist_name is not null and title is not null and artist_name <> '' and track_key = canonical_track_key
group by track_key, artist_name, title order by count(*) desc, track_key limit 150
"""


@dataclass(frozen=True)
class Worlds:
    """The same warehouse without the accounts that cannot be people, and with them, and what is public in each."""

    dbt: Dbt
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def worlds(servers: SharedServers, sample_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    dbt, folder = Dbt(servers.create(sample_template)), tmp_path_factory.mktemp("unlikely")
    songs = [(artist, title) for artist, title in dbt.query(SONGS)]
    assert len({artist for artist, _ in songs}) > 10
    load_rows(dbt.warehouse_url, people_rows(LAST_DAY, songs), folder / "people.tsv")
    dates = dates_environment([AS_OF, BEFORE])
    dbt(*BUILD, *WITHOUT_TESTS, **dates)
    before = public(dbt.warehouse_url)
    load_rows(dbt.warehouse_url, unlikely_rows(LAST_DAY, songs), folder / "unlikely.tsv")
    dbt("build", "--exclude-resource-type", "unit_test", **dates)
    yield Worlds(dbt, before, public(dbt.warehouse_url))
    servers.drop(dbt.warehouse_url)


def public(url: str) -> dict[str, Any]:
    """Everything that anybody may be shown, by the name of the list."""
    with adbc_connect(url) as connection:
        lists = {
            "popular": popular(connection, AS_OF),
            "trending": trending(connection, AS_OF),
            **country_popular(connection, AS_OF, least_tracks=1),
        }
        found: dict[str, Any] = {
            name: (tracks.track_keys.tolist(), tracks.scores.tolist()) for name, tracks in lists.items()
        }
        for batch in artist_tracks(connection, AS_OF):
            found["of artists"] = [each.tolist() for each in (batch.keys, batch.similar_keys, batch.scores)]
        for item in Item:
            history = public_history(read_item_listens(connection, item, AS_OF), AS_OF)
            assert history
            tables = similar_rows(history, item, SimilarConfig())
            found[f"similar {item}s"] = [table.to_pylist() for table in tables]
    return found


def test_each_account_is_known_by_its_reason_and_no_other_user_is(worlds: Worlds) -> None:
    known = worlds.dbt.query(
        "select user_id, reason from core.dim_unlikely_listeners inner join core.dim_users using (user_key)"
    )
    assert dict(known) == REASONS
    assert {user for (user,) in worlds.dbt.query("select user_id from core.dim_users")} >= set(PEOPLE)


def test_the_figures_that_led_to_it_are_there(worlds: Worlds) -> None:
    figures = {
        user: row
        for user, *row in worlds.dbt.query(
            "select user_id, listens_a_day, round(top_track_share::numeric, 2)::float8, accounts_with_same_list,"
            " interval_variation < 0.05, unlikely_since from core.dim_unlikely_listeners"
            " inner join core.dim_users using (user_key)"
        )
    }
    assert figures["flood"][0] == 50_000
    assert figures["every_day"][0] == 1_100
    assert figures["one_song"][1] == 1
    assert figures["list_3"][2] == 10
    assert figures["order_1"][2] == 3
    assert figures["metronome"][3] and figures["around_the_clock"][3]
    assert figures["one_song"][4] == LAST_DAY
    assert {row[4] for user, row in figures.items() if user != "one_song"} == {AS_OF}


def test_no_public_list_is_another_with_them(worlds: Worlds) -> None:
    assert {"popular", "trending", "of artists", "similar tracks", "similar artists"} < worlds.after.keys()
    assert all(worlds.after.values())
    for name, listed in worlds.after.items():
        assert listed == worlds.before[name], name


def test_taken_for_people_they_would_change_lists(worlds: Worlds) -> None:
    with adbc_connect(worlds.dbt.warehouse_url) as connection:
        listens = replace(read_item_listens(connection, Item.TRACK, AS_OF), unlikely=UnlikelyListeners())
    history = public_history(listens, AS_OF)
    assert history
    tables = [table.to_pylist() for table in similar_rows(history, Item.TRACK, SimilarConfig())]
    assert tables != worlds.before["similar tracks"]


def test_features_of_what_others_hear_do_not_count_them_and_their_own_do(worlds: Worlds) -> None:
    ((own_only, plays),) = worlds.dbt.query(
        "select max(feat_track.listeners), max(feat_user_track.listens) from features.feat_user_track"
        " inner join features.feat_track using (as_of, track_key) inner join core.dim_users using (user_key)"
        " inner join core.dim_tracks using (track_key)"
        f" where as_of = '{AS_OF}' and user_id = 'flood' and title = 'flood song 0'"
    )
    assert (own_only, plays) == (0, 12_500)


def test_as_of_an_earlier_date_nothing_is_known_yet(worlds: Worlds) -> None:
    with adbc_connect(worlds.dbt.warehouse_url) as connection:
        assert len(read_listens(connection, BEFORE).unlikely.user_key) == 0
        assert len(read_listens(connection, AS_OF).unlikely.known_as_of(AS_OF)) == len(REASONS)


def test_they_are_offered_tracks_of_their_own_and_nobody_learns_from_or_is_judged_by_them(worlds: Worlds) -> None:
    with adbc_connect(worlds.dbt.warehouse_url) as connection:
        listens = read_listens(connection, AS_OF)
        users = keys_by_id(connection, "user", sorted(REASONS)).to_numpy(np.int32)
        sources = fit_sources(listens, AS_OF, SourcesConfig(), read_catalogue(connection, {"artists"}))
        pools = sources.candidates_by_slate(np.sort(users), [Slate.FOR_YOU, Slate.DISCOVER])
        matrix = join_features(pools[Slate.FOR_YOU], feature_reader(connection, AS_OF)(users))
    for pool in pools.values():
        assert set(pool["user_key"]) == set(users.tolist())
    assert len(matrix.values) == len(pools[Slate.FOR_YOU]) > 20 * len(users)
    assert not np.isin(users, sources.history.learned.users).any()
    judged = relevant_tracks(listens.before(AS_OF), listens.between(LAST_DAY, AS_OF), AS_OF, Slate.FOR_YOU)
    assert len(judged) and not judged["user_key"].isin(users).any()


def test_analysts_see_who_they_are_and_all_that_they_play(worlds: Worlds) -> None:
    rows = worlds.dbt.query(
        "select listeners.unlikely_reason, sum(daily.listens) from analytics.listener_daily as daily"
        " inner join analytics.listeners as listeners using (listener_key)"
        f" where listened_on = '{LAST_DAY}' and unlikely_since = '{AS_OF}' group by 1"
    )
    assert dict(rows)["too_many_listens"] >= 50_000 + 1_100
