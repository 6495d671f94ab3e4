"""After any sequence of loads the models are what a full refresh would build, and only what changes is written."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from dbt_process import WITHOUT_TESTS, Dbt, assert_only_changes_written

from assets.dbt_project import BUILD, dates_environment
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import LISTENS_FILE, SampleWorld, generate
from assets.ingest.undo import undo_load
from warehouse.engine import create_engine
from warehouse.roles import Role

# The last days are a Sunday, the last of May, and a Monday: a week and a month end between them.
UNTIL = date(2026, 6, 2)
WORLD = SampleWorld(until=UNTIL, users=150, tracks=400, listens=12_000, days=100)
LATE_DAYS = [UNTIL - timedelta(days=days) for days in (71, 33, 6)]
LAST_DAYS = [UNTIL - timedelta(days=days) for days in (2, 1)]
DATES = dates_environment([UNTIL, UNTIL - timedelta(days=14)])
OUTCOMES = "ml.recommendation_outcomes"
WITHOUT_FEATURES = ("build", *WITHOUT_TESTS, "--exclude", "marts.features")
# Lists of one slate for every user, of dates whose 14 days end before, between and after the last days.
LISTS = f"""
create table ml.recommendations_rest partition of ml.recommendations default;
insert into ml.recommendations (as_of, slate, user_key, rank, track_key, score, source, model_version)
select date '{UNTIL}' - days, 'for_you', user_key, rank, (7 * user_key + rank) % 100, 0, 'popular', 'm1'
from raw.users cross join generate_series(13, 61) as days cross join generate_series(1, 40) as rank;
insert into ml.recommendation_batches
    (as_of, slate, model_version, users, rows, made_at, blocks_read_at, blocks, listens_version, code_version)
select as_of, slate, 'm1', count(distinct user_key), count(*), as_of + interval '3 hours',
    as_of, 0, 0, ''
from ml.recommendations group by as_of, slate;
insert into ml.releases (release, as_of, models, counts, published_at, status, lists_made_at)
select as_of::text, as_of, '{{}}', '{{}}', as_of + interval '4 hours', 'retired', made_at
from ml.recommendation_batches;
"""


@pytest.fixture(scope="module")
def files(session_folder: Path) -> dict[str, Path]:
    """A sample world in four files: history, the last two days, and every other row of three days before, come late."""
    folder = session_folder / "replay"
    generate(folder, WORLD)
    lines: dict[str, list[bytes]] = {"history": [], "late": [], **{f"{day}": [] for day in LAST_DAYS}}
    for number, line in enumerate((folder / LISTENS_FILE).read_bytes().splitlines(keepends=True)):
        day = line.partition(b"\t")[2][:10].decode(errors="replace")
        late = day in {f"{each}" for each in LATE_DAYS} and number % 2
        lines["late" if late else day if day in lines else "history"].append(line)
    paths = {name: folder / f"{name}.tsv" for name in lines}
    for name, path in paths.items():
        path.write_bytes(b"".join(lines[name]))
    return paths


@pytest.fixture(scope="module")
def wrong_file(files: dict[str, Path]) -> Path:
    """Rows of the last days of the history whose artists are wrong, and users and tracks that no other file has."""
    path = files["history"].with_name("wrong.tsv")
    rows = [line.split(b"\t") for line in files["history"].read_bytes().splitlines()[-300:]]
    rows = [row for row in rows if len(row) == 6 and row[4]]
    wrong = [
        (b"wrong_%d" % (number % 9), time, b"", b"Wrong " + artist, mbid if number % 2 else b"", title)
        for number, (_, time, _, artist, mbid, title) in enumerate(rows)
    ]
    path.write_bytes(b"\n".join(b"\t".join(row) for row in wrong))
    return path


def rebuilt(dbt: Dbt, day: date) -> set[str]:
    """The models that were rebuilt for a day since their tests last passed."""
    return {model for (model,) in dbt.query(f"select model from builds.models where rebuilt_days @> date '{day}'")}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_increments_late_days_and_undone_loads_give_what_a_full_refresh_gives(
    warehouse_url: str, files: dict[str, Path], wrong_file: Path
) -> None:
    dbt = Dbt(warehouse_url)

    def load(name: str) -> None:
        load_files(warehouse_url, LastFm1k(), [files[name]])

    def build(*arguments: str) -> dict[str, str]:
        dbt(*BUILD, *arguments, **DATES)
        return dbt.contents()

    (wrong,) = load_files(warehouse_url, LastFm1k(), [wrong_file])
    load("history")
    dbt.query(LISTS)
    contents = [build()]
    for day in LAST_DAYS:
        load(f"{day}")
        before = dbt.rows_written()
        contents.append(build())
        assert_only_changes_written(before, dbt.rows_written())
        assert rebuilt(dbt, day) == before.keys()
        assert rebuilt(dbt, day - timedelta(days=35)) == set()
    assert build() == contents[-1], "a build with nothing new changes nothing"
    assert build("--full-refresh") == contents[-1]

    load("late")
    before = dbt.rows_written()
    contents.append(build())
    assert_only_changes_written(before, dbt.rows_written())
    assert all(rebuilt(dbt, day) >= before.keys() for day in LATE_DAYS)
    assert not rebuilt(dbt, min(LATE_DAYS) + timedelta(days=10)) & {"core.fct_listens", "core.fct_sessions"}
    assert build("--full-refresh", *WITHOUT_TESTS) == contents[-1]

    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        undone = undo_load(connection, wrong.file_id)
    assert min(undone.listens, undone.users, undone.artists, undone.tracks) > 0
    before = dbt.rows_written()
    contents.append(build())
    assert_only_changes_written(before, dbt.rows_written())
    assert build("--full-refresh", *WITHOUT_TESTS) == contents[-1]

    changed = [{model for model in after if after[model] != before[model]} for before, after in pairwise(contents)]
    always = {"core.fct_listens", "core.fct_sessions", "analytics.listening_daily", OUTCOMES}
    assert [always - models for models in changed] == [set()] * len(changed)


@pytest.mark.slow
def test_a_build_killed_halfway_is_made_good_by_the_next(warehouse_url: str, files: dict[str, Path]) -> None:
    dbt = Dbt(warehouse_url)
    load_files(warehouse_url, LastFm1k(), [files["history"]])
    dbt(*WITHOUT_FEATURES)
    load_files(warehouse_url, LastFm1k(), [files["late"], files[f"{LAST_DAYS[0]}"]])
    # What a kill leaves: some models of the new days, others of the old.
    dbt("run", "--select", "fct_listens", "fct_first_listens", "track_daily")
    load_files(warehouse_url, LastFm1k(), [files[f"{LAST_DAYS[1]}"]])
    dbt(*WITHOUT_FEATURES)
    increments = dbt.contents()
    dbt(*WITHOUT_FEATURES, "--full-refresh")
    assert dbt.contents() == increments
