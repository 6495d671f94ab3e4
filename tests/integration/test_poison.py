"""Nothing at or after `as_of` reaches what is made as of then: features, candidates of every source, models, lists."""

import hashlib
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.candidates.anchors import NO_ANCHOR, Anchors
from assets.candidates.history import History
from assets.candidates.pool import SourcesConfig, fit_sources
from assets.candidates.registry import SOURCES, needed_facts
from assets.candidates.session_cooccurrence import SessionCooccurrence
from assets.catalogue import read_catalogue, read_titles
from assets.dbt_project import PROJECT, dates_environment
from assets.features.dates import MARTS
from assets.features.marts import feature_reader
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import SampleWorld, generate
from assets.listens import read_listens
from assets.metrics.protocol import relevant_tracks
from assets.publish.popular_content import country_popular, popular
from assets.ranker.registry import Champion
from assets.ranker.training import RankerConfig, train
from assets.recommendations.lists import ListMaker
from assets.similar.lists import read_item_listens, similar_rows
from assets.similar.sources import Item, SimilarConfig
from assets.slates import HORIZON_DAYS, Slate
from tests.folds import labelled_fold
from warehouse.engine import adbc_connect

pytestmark = pytest.mark.slow

UNTIL = date(2026, 6, 1)
AS_OF = UNTIL - timedelta(days=7)
FOLD = AS_OF - timedelta(days=HORIZON_DAYS)
FEATURES = ("--select", "+marts.features", "+dim_blocks", "+dim_track_artists")
DATES = dates_environment([AS_OF, FOLD])
FEW_TREES = RankerConfig(trees=10, min_child_samples=5, lambda_l2=0.1)
# Of the listens from as_of on, a third goes and a third moves. At that very midnight everybody, a new user among them,
# hears a new track.
POISON = f"""
delete from raw.listens where listened_at >= timestamptz '{AS_OF} 00:00+00' and track_key % 3 = 0;
update raw.listens set listened_at = listened_at + interval '1 second', skipped = true
where listened_at >= timestamptz '{AS_OF} 00:00+00' and track_key % 3 = 1;
insert into raw.users (user_key, user_id, listener_key) select max(user_key) + 1, 'came later', -1 from raw.users;
insert into raw.tracks (track_key, natural_key, track_id)
select max(track_key) + 1, 'source:came later', 'came later' from raw.tracks;
insert into raw.listens (user_key, track_key, listened_at, source, file_id)
select user_key, (select max(track_key) from raw.tracks), timestamptz '{AS_OF} 00:00+00', 'poison',
    (select min(file_id) from raw.ingest_files)
from raw.users;
insert into raw.track_tags (file_id, track_key, tag) select 1, max(track_key), 'of every genre' from raw.tracks
"""
TAGS = (
    "insert into raw.track_tags (file_id, track_key, tag) select 1, track_key, 'tag ' || track_key % 9 from raw.tracks"
)


def digest(frame: pd.DataFrame) -> str:
    """Of every bit of a frame's values, row by row as they come; there must be some."""
    assert len(frame), "nothing was made, and nothing is always the same"
    content = hashlib.sha256("|".join(frame.columns).encode())
    for column in frame.columns:
        values = frame[column].to_numpy()
        content.update(repr(values.tolist()).encode() if values.dtype == object else np.ascontiguousarray(values).data)
    return content.hexdigest()


def features_as_of(dbt: Dbt) -> dict[str, str]:
    """Digests of the feature marts of the dates, by name; each has rows."""
    made = {}
    for name in (f"features.{each}" for each in MARTS):
        ((rows, content),) = dbt.query(
            f"select count(*), md5(string_agg(each::text, ' ' order by each::text)) from {name} as each"
        )
        assert rows > 0, name
        made[name] = content
    return made


def made_as_of(dbt: Dbt) -> dict[str, str]:
    """Digests of everything that is made as of the date, by name."""
    made = features_as_of(dbt)
    with adbc_connect(dbt.warehouse_url) as connection:
        listens = read_listens(connection, AS_OF)
        horizon = listens.between(FOLD, AS_OF)
        before = listens.before(FOLD)
        catalogue = read_catalogue(connection, needed_facts(SOURCES))
        at_fold = fit_sources(before, FOLD, SourcesConfig(), catalogue)
        at_date = fit_sources(listens, AS_OF, SourcesConfig(), catalogue)
        anchors = Anchors(at_date.history, at_date.fitted(SessionCooccurrence), read_titles(connection))
        for slate in Slate:
            relevant = relevant_tracks(before, horizon, FOLD, slate)
            fold = labelled_fold(FOLD, slate, at_fold, relevant, feature_reader(connection, FOLD), 0.5, seed=1)
            model = train([fold], FEW_TREES)
            users = at_date.history.users.astype(np.int32)
            pool = anchors.add_to(at_date.candidates(users, slate))
            champion = Champion("trained here", AS_OF, model)
            maker = ListMaker.of_date(connection, AS_OF, {slate: champion})
            _, lists = next(maker.lists({slate: pool}))
            assert (lists["anchor_track_key"] != NO_ANCHOR).mean() > 0.5, "what has no reason cannot change"
            made[f"{slate}: training rows"] = digest(fold.to_frame())
            assert "num_leaves=1\n" not in model.text, "a tree without a split knows nothing"
            made[f"{slate}: model"] = model.text
            made[f"{slate}: lists"] = digest(lists)
            made[f"{slate}: candidates"] = digest(pool)
            for name in SOURCES:
                if slate is Slate.DISCOVER and name.startswith("own_"):
                    # A user's own tracks are not discoveries.
                    continue
                made[f"{slate}: {name}"] = digest(at_date.lists(name, users, slate, k=100))
        for item in Item:
            history = History(read_item_listens(connection, item, AS_OF), AS_OF)
            lists = pa.concat_tables(similar_rows(history, item, SimilarConfig())).to_pandas()
            made[f"similar {item}s"] = digest(lists)
        made["popular"] = digest(pd.DataFrame(popular(connection, AS_OF)._asdict()))
        for country, tracks in country_popular(connection, AS_OF, least_listeners=1, least_tracks=1).items():
            made[f"popular in {country}"] = digest(pd.DataFrame(tracks._asdict()))
    return made


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.fixture(scope="module")
def world(session_folder: Path) -> Path:
    folder = session_folder / "poison"
    generate(folder, SampleWorld(until=UNTIL, users=60, tracks=200, listens=6_000, days=130))
    return folder


@pytest.fixture
def build(world: Path, new_warehouse: Callable[[], str]) -> Callable[[Path], Dbt]:
    """A function from a dbt project to a warehouse of the world that it built."""

    def built(project: Path) -> Dbt:
        dbt = Dbt(new_warehouse(), project)
        load_files(dbt.warehouse_url, LastFm1k(), [world])
        dbt.query(TAGS)
        dbt("build", *WITHOUT_TESTS, *FEATURES, **DATES)
        return dbt

    return built


def poison(dbt: Dbt) -> None:
    """Change everything from the date on, and build again."""
    dbt.query(POISON)
    dbt("build", *WITHOUT_TESTS, *FEATURES, **DATES)
    assert dbt.query("select count(*) > 0 from core.fct_listens where source = 'poison'") == [(True,)]


def test_what_is_made_as_of_a_date_has_not_a_bit_from_that_date_on(build: Callable[[Path], Dbt]) -> None:
    dbt = build(PROJECT)
    before = made_as_of(dbt)
    assert "popular in United States" in before
    poison(dbt)
    after = made_as_of(dbt)
    assert changed(before, after) == set()
    assert after.keys() == before.keys()


def test_a_feature_that_looks_ahead_is_caught(build: Callable[[Path], Dbt], tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    (model,) = project.rglob("feat_user_track.sql")
    honest = "as_ofs.as_of_at > fct_listens.listened_at"
    assert honest in model.read_text()
    model.write_text(model.read_text().replace(honest, "as_ofs.as_of_at >= fct_listens.listened_at"))
    dbt = build(project)
    before = features_as_of(dbt)
    poison(dbt)
    assert "features.feat_user_track" in changed(before, features_as_of(dbt))
