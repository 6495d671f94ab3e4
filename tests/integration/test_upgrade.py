"""A warehouse of the first version, with all that was in it, works on after the upgrade."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import alembic.command
import pytest
from dbt_process import Dbt
from loading import query
from ranked_lists import lists, replace

from assets.dbt import dbt_arguments
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import SampleWorld, generate
from assets.ranker.registry import serving
from assets.ranker.slates import Slate
from warehouse import migrate
from warehouse.engine import create_engine
from warehouse.roles import Role

WORLD = SampleWorld(until=date(2026, 6, 1), users=20, tracks=200, listens=1_000, days=40)
# The sample world has the first user too. Their days: the 1st, 2nd and 31st of March.
OF_THE_FIRST_VERSION = """
insert into raw.ingest_files (sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected, rows_duplicate,
    started_at, finished_at) values (repeat('a', 64), 'lastfm-1k', '/old.tsv', 9, 5, 4, 1, 0, now(), now());
insert into raw.rejected_listens values (1, 5, 'empty_user', 'x');
insert into raw.users (user_key, user_id, country, file_id) values (0, 'user_000001', 'Norway', 1), (1, 'ann', null, 1);
insert into raw.artists (artist_key, natural_key, artist_id, name, file_id) values (0, 'name:a', 'nm-a', 'A', 1);
insert into raw.tracks (track_key, natural_key, track_id, title, artist_key, file_id)
    values (0, 'name:a|one', 'nm-1', 'One', 0, 1), (1, 'name:a|two', 'nm-2', 'Two', 0, 1);
insert into raw.listens (user_key, track_key, listened_at, source, file_id) values
    (0, 0, '2026-03-01 23:59:59+00', 'lastfm', 1), (0, 1, '2026-03-02 00:00+00', 'lastfm', 1),
    (1, 1, '2026-03-02 12:00+00', 'lastfm', 1), (1, 0, '2026-03-31 12:00+00', 'lastfm', 1);
create table ml.recommendations_20260302 partition of ml.recommendations for values in ('2026-03-02');
insert into ml.recommendations (as_of, slate, user_key, rank, track_key, score, source, model_version)
    values ('2026-03-02', 'for_you', 0, 1, 1, 0.5, 'popular', 'm1'),
        ('2026-03-02', 'for_you', 0, 2, 0, 0.4, 'popular', 'm1'),
        ('2026-03-02', 'for_you', 1, 1, 0, 0.5, 'popular', 'm1');
insert into ml.models (model_version, slate, trained_as_of, created_at, folds, params, features, file, file_sha256)
    values ('m1', 'for_you', '2026-03-02', '2026-03-02 01:00+00', '{2026-02-16}', '{}', '[]', 'models/m1.txt', 'x');
create schema staging; create schema intermediate; create schema core; create schema features;
create view staging.stg_listens as select * from raw.listens;
create view intermediate.int_listens_sessionised as select *, 1 as session_key from staging.stg_listens;
create table core.fct_listens as select user_key, track_key from intermediate.int_listens_sessionised;
create table core.dim_users as select user_key, user_id from raw.users;
create table features.feat_user as select date '2026-03-02' as as_of, 0 as user_key;
"""  # fmt: skip
BUILT = (
    "select count(*) from pg_class where relnamespace::regnamespace::text = any(array['staging', 'core', 'features'])"
)
OUTCOMES = "select rank, recommended, played from ml.recommendation_outcomes where as_of = '2026-03-02' order by rank"


@pytest.fixture(scope="module")
def upgraded(new_owned_database: Callable[[], str]) -> str:
    """The URL of a warehouse that stood at migration 0002 with all its tables in use, upgraded by its plain owner."""
    url = new_owned_database()
    engine = create_engine(url)
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0002")
        connection.exec_driver_sql(OF_THE_FIRST_VERSION)
    migrate.upgrade(url)
    return url


def test_the_days_of_its_listens_are_in_the_ledger(upgraded: str) -> None:
    days = query(upgraded, "select listened_on, version from raw.listen_days order by 1")
    assert days == [(date(2026, 3, 1), 1), (date(2026, 3, 2), 1), (date(2026, 3, 31), 1)]


def test_every_user_has_a_pseudonym_of_their_own(upgraded: str) -> None:
    keys = query(upgraded, "select user_id, listener_key, raw.listener_key(user_id) from raw.users")
    assert {user_id for user_id, _, _ in keys} == {"user_000001", "ann"}
    assert all(key == expected for _, key, expected in keys)
    assert len({key for _, key, _ in keys}) == 2


def test_its_lists_are_known_by_date_and_slate_and_belong_to_the_service(upgraded: str) -> None:
    batches = "select as_of, slate, model_version, users, rows from ml.recommendation_batches"
    assert query(upgraded, batches) == [(date(2026, 3, 2), "for_you", "m1", 2, 3)]
    owners = "select pg_get_userbyid(relowner)::text from pg_class where relname in ('recommendations', '{0}')"
    assert query(upgraded, owners.format("recommendations_20260302")) == [(Role.SERVICE,)] * 2


def test_its_ranker_counts_as_promoted_and_serves_from_its_date_on(upgraded: str) -> None:
    decided = query(upgraded, "select model_version, decision, decided_by, decided_at::date from ml.promotions")
    assert decided == [("m1", "promoted", "upgrade", date(2026, 3, 2))]
    with create_engine(upgraded, Role.SERVICE).connect() as connection:
        row = serving(connection, Slate.FOR_YOU, date(2026, 3, 2))
        assert row is not None and (row.model_version, row.card, row.stand_in_file) == ("m1", None, None)
        assert serving(connection, Slate.FOR_YOU, date(2026, 3, 1)) is None


def test_what_older_models_had_built_is_gone(upgraded: str) -> None:
    assert query(upgraded, BUILT) == [(0,)]


def test_files_are_loaded_and_models_built_upon_what_it_had(upgraded: str, session_folder: Path) -> None:
    folder = session_folder / "upgrade"
    generate(folder, WORLD)
    (report,) = load_files(upgraded, LastFm1k(), [folder])
    assert query(upgraded, "select max(file_id), count(*) from raw.ingest_files") == [(2, 2)]
    assert query(upgraded, "select user_key from raw.users where user_id = 'user_000001'") == [(0,)]
    Dbt(upgraded)(*dbt_arguments([WORLD.until]))
    for relation in ("raw.listens", "core.fct_listens", "analytics.listens"):
        assert query(upgraded, f"select count(*) from {relation}") == [(report.rows_loaded + 4,)], relation
    unknown = "select count(*) from raw.users where listener_key not in (select listener_key from analytics.listeners)"
    assert query(upgraded, unknown) == [(0,)]
    assert query(upgraded, "select count(*) from features.feat_user where user_key = 1") == [(1,)]
    assert query(upgraded, OUTCOMES) == [(1, 2, 1), (2, 1, 0)]


def test_its_lists_have_no_reasons_until_they_are_made_again(upgraded: str) -> None:
    reasons = "select rank, count(*), count(seed_track_key), count(contributions) from ml.recommendations"
    reasons += " where as_of = '2026-03-02' group by rank order by rank"
    assert query(upgraded, reasons) == [(1, 2, 0, 0), (2, 1, 0, 0)]
    replace(upgraded, date(2026, 3, 2), iter([lists(date(2026, 3, 2), "m2", users=2)]))
    assert query(upgraded, reasons) == [(1, 2, 2, 2), (2, 2, 0, 0)]
