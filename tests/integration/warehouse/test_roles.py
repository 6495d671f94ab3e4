"""What each role can do and what it cannot, in a warehouse that was loaded and built as those roles.

Its owner is not a superuser: what works here works on a server where Audotics has a user like any other.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from dbt_process import Dbt
from pipeline_process import Pipeline
from psycopg2.errors import InsufficientPrivilege, QueryCanceled, ReadOnlySqlTransaction
from ranked_lists import MADE_FROM, lists
from shared_servers import SharedServers

from assets.dbt_project import BUILD, PROJECT
from assets.ingest.sample_world import SampleWorld, generate
from assets.recommendations.store import replace_recommendations
from benchmarks.analytics_questions import Question, read_questions
from warehouse.engine import adbc_connect, session_url
from warehouse.roles import WORKING_ROLES, Role

UNTIL = date(2026, 6, 1)
AS_OF = UNTIL - timedelta(days=14)
WORLD = SampleWorld(until=UNTIL, users=200, tracks=500, listens=15_000, days=150)
OWNER = "plain_owner"
LOADER, TRANSFORMER, SERVICE, ANALYST = Role.LOADER, Role.TRANSFORMER, Role.SERVICE, Role.ANALYST


@pytest.fixture(scope="module", autouse=True)
def analysts_password(servers: SharedServers) -> Iterator[None]:
    with servers.alone("analysts_password"):
        yield


@pytest.fixture(scope="module")
def platform(session_folder: Path, module_redis_url: str, new_owned_database: Callable[[], str]) -> Pipeline:
    """A warehouse owned by a plain user: a sample world loaded by the command line, models built, lists made."""
    folder = session_folder / "roles"
    generate(folder / "world", WORLD)
    made = Pipeline(new_owned_database(), module_redis_url, folder / "home")
    made.json("ingest", "lastfm-1k", str(folder / "world"))
    Dbt(made.warehouse_url)(*BUILD, AUDOTICS_AS_OF_DATES=f"{AS_OF}")
    made_lists = lists(AS_OF, "m", users=1)
    for _ in range(2):  # the second takes the place of the first
        with adbc_connect(made.warehouse_url, SERVICE) as connection:
            replace_recommendations(connection, AS_OF, [made_lists], MADE_FROM)
    return made


@pytest.fixture(scope="module")
def url_of(platform: Pipeline) -> Callable[[Role], str]:
    """A function from roles to the URL with which the platform, or an analyst, connects."""
    of_analysts = platform.json("analyst-url")["url"]
    return lambda role: of_analysts if role is ANALYST else session_url(platform.warehouse_url, role)


def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Rows of the last statement; what they changed is kept."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def attempt(url: str, *statements: str) -> None:
    """Run the statements and take them back."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.rollback()


# Analysts' sessions are read-only until they say otherwise.
WRITING = "set transaction read write"
MAY = [
    (LOADER, "select raw.listener_key('someone')"),
    (LOADER, "insert into raw.listens select 1, 1, '2026-01-01+00', null, null, 's', 1"),
    (LOADER, "delete from raw.listens"),
    (LOADER, "insert into raw.given_keys values ('file', 7) on conflict (kind) do update set highest = 7"),
    (LOADER, "create temporary table staged (line bigint)"),
    (LOADER, "select * from core.dim_track_identities cross join core.dim_artist_identities limit 1"),
    (TRANSFORMER, "select user_id from raw.users"),
    *((role, "select raw.note_days_of_tracks(array[1])") for role in (LOADER, TRANSFORMER)),
    (TRANSFORMER, "update builds.models set version = 0"),
    (TRANSFORMER, "create table snapshots.profiles (user_id text)"),
    (TRANSFORMER, "create view ml.outcomes as select * from ml.recommendations"),
    (TRANSFORMER, "drop table analytics.listener_daily"),
    *((role, "create temporary table mine (line bigint)") for role in (TRANSFORMER, SERVICE)),
    (SERVICE, "select * from raw.blocks cross join raw.track_tags cross join raw.artist_tags"),
    (SERVICE, "select user_id from core.dim_users"),
    (SERVICE, "select * from features.feat_user_track limit 1"),
    (SERVICE, "delete from ml.recommendations"),
    (SERVICE, "drop table ml.recommendations_20260518"),
    (SERVICE, "update ml.releases set status = 'retired'"),
    (SERVICE, "delete from ml.similar_tracks"),
    (SERVICE, "delete from ml.similarity_evaluations"),
    (SERVICE, "delete from ml.ranker_trials"),
    (SERVICE, "insert into ml.promotions select * from ml.promotions where false"),
    (ANALYST, "select * from core.dim_tracks natural join core.dim_artists limit 1"),
    (ANALYST, f"{WRITING}; insert into corrections.same_items values ('track', 'a', 'b', 'heard it')"),
    (ANALYST, f"{WRITING}; delete from corrections.same_items"),
    (ANALYST, "select * from features.feat_track natural join features.feat_artist limit 1"),
    (ANALYST, "select * from ml.models cross join ml.model_evaluations cross join ml.releases limit 1"),
    (ANALYST, "select figures from ml.promotions natural join ml.champions limit 1"),
    (ANALYST, "select params from ml.ranker_trials where labels_until > as_of"),
    (ANALYST, "select * from ml.similar_tracks_named cross join ml.similar_artists_named limit 1"),
]
MAY_NOT = [
    (LOADER, "select * from raw.pseudonym_key"),
    (LOADER, "update raw.listen_days set version = 0"),
    (LOADER, "truncate raw.listens"),
    (LOADER, "alter table raw.listens disable trigger all"),
    (LOADER, "select * from core.dim_users"),
    (SERVICE, "select raw.note_days_of_tracks(array[1])"),
    *((role, "delete from corrections.same_items") for role in WORKING_ROLES),
    (LOADER, "select * from ml.models"),
    (LOADER, "select * from builds.models"),
    (LOADER, "create table raw.other (line bigint)"),
    (TRANSFORMER, "select * from raw.pseudonym_key"),
    (TRANSFORMER, "select raw.listener_key('someone')"),
    (TRANSFORMER, "delete from raw.listens"),
    (TRANSFORMER, "insert into raw.blocks values (0, 'track', 0)"),
    (TRANSFORMER, "delete from ml.recommendations"),
    (TRANSFORMER, "update ml.releases set status = 'live'"),
    (SERVICE, "select * from raw.users"),
    (SERVICE, "select * from raw.listens"),
    (SERVICE, "select * from raw.pseudonym_key"),
    (SERVICE, "insert into raw.blocks values (0, 'track', 0)"),
    (SERVICE, "select raw.listener_key('someone')"),
    (SERVICE, "select * from staging.stg_users"),
    (SERVICE, "delete from core.fct_listens"),
    (SERVICE, "delete from features.feat_user"),
    (SERVICE, "select * from builds.models"),
    *((SERVICE, sql) for sql in ("delete from ml.promotions", "update ml.promotions set decision = 'promoted'")),
    *((role, "select * from dagster.runs") for role in Role),
    *((role, "create schema other") for role in WORKING_ROLES),
    *((role, "create role other") for role in WORKING_ROLES),
    *(
        (ANALYST, f"select * from {relation}")
        for relation in (
            *("raw.listens", "raw.users", "raw.pseudonym_key", "raw.rejected_listens", "staging.stg_users"),
            *("intermediate.int_user_first_listens", "builds.models", "core.dim_users", "core.fct_listens"),
            *("core.fct_sessions", "features.feat_user", "features.feat_user_track", "ml.recommendations"),
            *("ml.recommendations_20260518", "ml.similar_tracks", "ml.similar_artists", "pg_authid"),
        )
    ),
    (ANALYST, "select raw.listener_key('user_000001')"),
    *((ANALYST, f"set role {role}") for role in (*WORKING_ROLES, OWNER)),
    (ANALYST, "copy analytics.listener_daily to '/dev/null'"),
]


@pytest.mark.parametrize(("role", "statement"), MAY, ids=[f"{role}: {sql}" for role, sql in MAY])
def test_a_role_may_do_its_work(url_of: Callable[[Role], str], role: Role, statement: str) -> None:
    attempt(url_of(role), statement)


@pytest.mark.parametrize(("role", "statement"), MAY_NOT, ids=[f"{role}: {sql}" for role, sql in MAY_NOT])
def test_a_role_may_do_nothing_else(url_of: Callable[[Role], str], role: Role, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        attempt(url_of(role), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "create table analytics.mine (line bigint)",
        "delete from analytics.listener_daily",
        "create temporary table mine (line bigint)",
        "update ml.releases set status = 'live'",
    ],
)
def test_an_analyst_writes_nothing_nor_after_leaving_read_only(url_of: Callable[[Role], str], statement: str) -> None:
    with pytest.raises(ReadOnlySqlTransaction):
        attempt(url_of(ANALYST), statement)
    with pytest.raises(InsufficientPrivilege):
        attempt(url_of(ANALYST), "set transaction read write", statement)


READABLE = f"""
select format('%I.%I', nspname, relname), array_agg(attname::text order by attnum)
from pg_class
inner join pg_namespace on pg_namespace.oid = relnamespace
inner join pg_attribute on attrelid = pg_class.oid and attnum > 0
where
    relkind in ('r', 'p', 'v', 'm', 'f') and nspname not in ('pg_catalog', 'information_schema')
    and has_schema_privilege('{ANALYST}', nspname, 'usage')
    and (
        has_table_privilege('{ANALYST}', pg_class.oid, 'select')
        or has_any_column_privilege('{ANALYST}', pg_class.oid, 'select')
    )
group by nspname, relname
"""


def test_nothing_that_an_analyst_can_read_has_a_users_key_or_id(platform: Pipeline) -> None:
    readable = dict(platform.query(READABLE))
    assert {"analytics.listens", "analytics.listeners", "analytics.sessions", "analytics.listener_daily"} <= set(
        readable
    )
    others = {name for name in readable if not name.startswith("analytics.")}
    assert others == {
        *("core.dim_tracks", "core.dim_artists", "features.feat_track", "features.feat_artist"),
        *("core.dim_track_artists", "core.dim_track_details", "core.dim_track_tags", "corrections.same_items"),
        *("ml.models", "ml.promotions", "ml.champions", "ml.model_evaluations", "ml.releases"),
        *("ml.recommendation_batches", "ml.slate_measures", "ml.slate_verdicts"),
        *("ml.ranker_trials", "ml.recommendation_outcomes", "ml.recommended_tracks"),
        *("ml.similar_batches", "ml.similarity_evaluations", "ml.similar_tracks_named", "ml.similar_artists_named"),
    }
    telling = {"user_key", "user_id", "session_key"}
    assert {name: columns for name, columns in readable.items() if telling & set(columns)} == {}


def test_no_users_id_is_in_any_value_that_an_analyst_can_read(
    platform: Pipeline, url_of: Callable[[Role], str]
) -> None:
    ids = {user_id for (user_id,) in platform.query("select user_id from raw.users")}
    assert len(ids) > 150
    for relation, columns in platform.query(READABLE):
        texts = ", ".join(f"{column}::text" for column in columns)
        query = f"select distinct unnest(array[{texts}]) from {relation}"
        assert not ids & {value for (value,) in execute(url_of(ANALYST), query)}, relation


def test_every_model_of_analytics_can_be_read(platform: Pipeline, url_of: Callable[[Role], str]) -> None:
    models = [path.stem for path in (PROJECT / "models/marts/analytics").rglob("*.sql")]
    assert len(models) > 10
    for model in models:
        attempt(url_of(ANALYST), f"select * from analytics.{model} limit 1")


@pytest.mark.parametrize("question", read_questions(), ids=lambda question: question.title)
def test_every_question_of_the_page_is_answered(url_of: Callable[[Role], str], question: Question) -> None:
    attempt(url_of(ANALYST), question.sql)


def test_an_analysts_session_is_read_only_and_limited(url_of: Callable[[Role], str]) -> None:
    settings = "current_setting('default_transaction_read_only'), current_setting('statement_timeout')"
    settings += ", current_setting('idle_in_transaction_session_timeout')"
    assert execute(url_of(ANALYST), f"select {settings}") == [("on", "30s", "5min")]


@pytest.mark.parametrize(
    "runaway", ["select pg_sleep(60)", "select count(*) from analytics.listens as a, analytics.listens as b, ml.models"]
)
def test_a_runaway_query_is_cancelled_by_the_timeout_of_the_role(
    platform: Pipeline, url_of: Callable[[Role], str], runaway: str
) -> None:
    database = platform.warehouse_url.rpartition("/")[2]
    execute(platform.warehouse_url, f"alter role {ANALYST} in database {database} set statement_timeout = '300ms'")
    try:
        with pytest.raises(QueryCanceled, match="statement timeout"):
            attempt(url_of(ANALYST), runaway)
    finally:
        execute(platform.warehouse_url, f"alter role {ANALYST} in database {database} reset statement_timeout")


OWNERS = """
select nspname, array_agg(distinct pg_get_userbyid(relowner)::text)
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p', 'v') and nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'public')
group by nspname
"""


def test_what_was_made_belongs_to_the_role_that_made_it(platform: Pipeline) -> None:
    owners = dict(platform.query(OWNERS))
    for schema in ("staging", "intermediate", "core", "analytics", "features"):
        assert owners[schema] == [TRANSFORMER], schema
    for schema in ("raw", "builds"):
        assert owners[schema] == [OWNER], schema
    partitions = "select pg_get_userbyid(relowner)::text from pg_class where relname like 'recommendations%'"
    assert {owner for (owner,) in platform.query(partitions + " and relkind in ('r', 'p')")} == {SERVICE}


@pytest.mark.slow
def test_a_full_refresh_and_a_failed_model_change_no_owner_and_no_grant(platform: Pipeline) -> None:
    dbt = Dbt(platform.warehouse_url)
    before = dict(platform.query(OWNERS)), sorted(platform.query(READABLE))
    dbt("run", "--full-refresh", AUDOTICS_AS_OF_DATES=f"{AS_OF}")
    assert (dict(platform.query(OWNERS)), sorted(platform.query(READABLE))) == before
    # An object of another kind in its place fails this model; those after it are built on new connections.
    execute(session_url(platform.warehouse_url, TRANSFORMER), "create sequence analytics.new_releases__dbt_tmp")
    done = dbt("run", "--full-refresh", "--select", "marts.analytics", check=False)
    execute(session_url(platform.warehouse_url, TRANSFORMER), "drop sequence analytics.new_releases__dbt_tmp")
    assert done.returncode == 1, done.stdout
    assert (dict(platform.query(OWNERS)), sorted(platform.query(READABLE))) == before
