"""The demo: the sample world from files to recommendations over HTTP."""

import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from sqlalchemy import text

from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import PLANTED_FILE, PROFILE_FILE, SampleWorld, generate
from assets.slates import HORIZON_DAYS, Slate
from orchestration.instance import stop_unless_used
from orchestration.pipeline import run_evaluation, run_nightly
from orchestration.platform import Platform, open_platform
from orchestration.runs import Progress, RunReport
from orchestration.up import api_child
from warehouse.errors import AudoticsError
from warehouse.local.server import any_free_port
from warehouse.local.servers import status
from warehouse.settings import is_remote, load_settings
from warehouse.wording import counted

_WORLD = "sample-world-"
_TRACKS_SHOWN = 5
_API_SECONDS = 60.0

Steps = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Demo:
    """What a demo did.

    rows: of what was read, loaded, rejected and duplicate, the number planted and the number found. answers: of three
    users and each slate, the request, the user's most played artists and the answer of the read API.
    """

    rows: dict[str, dict[str, int]]
    run: RunReport
    evaluation_run: RunReport
    evaluation: dict[str, Any]
    answers: list[dict[str, Any]]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {
            "ingest": self.rows,
            "run": self.run.as_json(),
            "evaluation_run": self.evaluation_run.as_json(),
            "evaluation": self.evaluation,
            "answers": self.answers,
            "seconds": round(self.seconds, 1),
        }


def run_demo(steps: Steps, note: Callable[[str], None], users: int | None = None) -> Demo:
    """Generate the world, run the nightly job two weeks before its end, evaluate on those weeks, ask the API.

    users: how many the world has; None for the number of the one that is there, else that of `SampleWorld`. Servers
    that were running before stay up; those started here are stopped, unless the run of another command works on them,
    which is told to `note`.

    Raises:
        AudoticsError: a step failed, a world of another size is there, or what was loaded is not what was planted.
    """
    started = time.monotonic()
    settings = load_settings()
    were_running = any(server.running for server in status(settings))
    try:
        platform = open_platform()
        if is_remote(platform.settings.landing):
            raise AudoticsError(
                f"no sample world can be written to {platform.settings.landing}; unset AUDOTICS_LANDING for the demo"
            )
        folder, until = sample_world(Path(platform.settings.landing) / "lastfm-1k", users, steps)
        # A day more than the horizon: what became of recommendations is told once a later day has listens.
        as_of = until - timedelta(days=HORIZON_DAYS + 1)
        with steps(f"as of {as_of}") as on_progress:
            run = run_nightly(platform, as_of, on_progress)
        rows = _compare_with_planted(platform, folder)
        with steps("evaluating") as on_progress:
            evaluation_run, evaluation = run_evaluation(platform, as_of, on_progress)
        answers = _ask(platform, _users_to_show(platform, as_of))
    finally:
        if not were_running:
            stop_unless_used(settings, note)
    return Demo(rows, run, evaluation_run, evaluation, answers, time.monotonic() - started)


def sample_world(landing: Path, users: int | None, steps: Steps) -> tuple[Path, date]:
    """The folder of the sample world and the date it ends; generated unless one has landed before.

    Raises:
        AudoticsError: one has landed that has another number of users than was asked for.
    """
    finished = sorted(landing.glob(f"{_WORLD}*/{PLANTED_FILE}"))
    if finished:
        folder = finished[-1].parent
        there = len((folder / PROFILE_FILE).read_bytes().splitlines()) - 1
        if users is not None and users != there:
            raise AudoticsError(
                f"a sample world of {counted(there, 'user')} is in {folder} already; leave --users out to go on with"
                f" it, or set AUDOTICS_HOME to a new folder for one of {counted(users, 'user')}"
            )
        return folder, date.fromisoformat(folder.name.removeprefix(_WORLD))
    until = datetime.now(UTC).date()
    folder = landing / f"{_WORLD}{until.isoformat()}"
    world = SampleWorld(until=until) if users is None else SampleWorld.of_users(users, until)
    with steps("generating the sample world") as on_progress:
        generate(folder, world, lambda done, total: on_progress("", done, total, []))
        on_progress("", world.listens, world.listens, [f"generated the sample world in {folder}"])
    return folder, until


def _compare_with_planted(platform: Platform, folder: Path) -> dict[str, dict[str, int]]:
    """Counts of the loaded file beside the planted ones; AudoticsError when one differs."""
    planted = orjson.loads((folder / PLANTED_FILE).read_bytes())
    (report,) = load_files(platform.warehouse_url, LastFm1k(), [folder])
    names = [name for name in planted if name.startswith("rows_")]
    counts = {name: {"planted": planted[name], "found": getattr(report, name)} for name in names}
    differing = [name for name, count in counts.items() if count["planted"] != count["found"]]
    if differing or planted["rejected_by_reason"] != report.rejected_by_reason:
        raise AudoticsError(
            f"what was loaded from {folder} is not what was planted: found {report}, planted {planted};"
            " if the files were edited, remove the folder and run the demo in a fresh AUDOTICS_HOME"
        )
    return counts


def _users_to_show(platform: Platform, as_of: date) -> list[tuple[str, list[str]]]:
    """Users with a light, a middling and a heavy history, each with the artists played most."""
    with platform.transaction() as connection:
        rows = connection.execute(_USERS, {"as_of": as_of, "shares": [0.25, 0.5, 0.9]}).all()
    return [(row.user_id, row.artists) for row in rows]


def _ask(platform: Platform, users: list[tuple[str, list[str]]]) -> list[dict[str, Any]]:
    """What the read API answers for each user and slate, over HTTP."""
    port = any_free_port()
    answers = []
    with api_child(platform, port) as api:
        api.wait_for(f"http://127.0.0.1:{port}/readyz", _API_SECONDS)
        for user_id, artists in users:
            for slate in Slate:
                path = f"/v1/users/{quote(user_id)}/recommendations?slate={slate}&limit={_TRACKS_SHOWN}"
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                    body = orjson.loads(response.read())
                answers.append({"request": f"GET {path}", "most_played_artists": artists, "response": body})
    return answers


_USERS = text(
    "with shown as ("
    " select distinct on (share) share, user_key from features.feat_user"
    " cross join unnest(cast(:shares as double precision[])) as shares (share)"
    " where as_of = :as_of and listens_30d > 0"
    " and listens >= (select percentile_disc(share) within group (order by listens) from features.feat_user"
    " where as_of = :as_of)"
    " order by share, listens, user_key)"
    " select user_id, array(select artist_name from features.feat_user_artist"
    " inner join core.dim_artists using (artist_key)"
    " where feat_user_artist.user_key = shown.user_key and as_of = :as_of"
    " order by feat_user_artist.listens desc, artist_key limit 3) as artists"
    " from shown inner join core.dim_users using (user_key) order by share"
)
