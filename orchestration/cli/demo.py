"""What `audotics demo` prints: one screen, or with --details everything."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.cli.rendering import print_lines, print_table, say
from orchestration.cli.reports import METRICS, print_evaluation, print_run
from warehouse.wording import counted

if TYPE_CHECKING:
    from orchestration.demo import Demo
    from orchestration.runs import Stage

# In place of the first track of an empty list.
_NOTHING = {"title": None, "artist": None, "reason": None}


def print_screen(done: "Demo") -> None:
    """The demo in 80 columns and some 50 lines: rows, stages, the evaluation of each slate, three users."""
    _print_rows(done)
    stages = _stages([*done.run.stages, *done.evaluation_run.stages])
    peak = max(done.run.peak_mb, done.evaluation_run.peak_mb)
    total = ("total", f"{sum(seconds for _, seconds, _ in stages):.1f}", round(peak))
    rows = [*((name, f"{seconds:.1f}", round(peak)) for name, seconds, peak in stages), total]
    print_lines("", ("step", "seconds", "peak MB"), rows, highlight="total")
    for slate, result in done.evaluation["slates"].items():
        _print_slate(slate, result, done.evaluation)
    _print_users(done.answers)
    say(f"done in {done.seconds:.0f} s; all of it: `audotics demo --details`; look around with `make up`")


def print_details(done: "Demo") -> None:
    """Everything that a demo tells people; the same runs have more in the Dagster UI."""
    _print_rows(done)
    print_run(done.run)
    print_run(done.evaluation_run)
    print_evaluation(done.evaluation)
    for answer in done.answers:
        body = answer["response"]
        title = (
            f"{answer['request']}\n{body['user_id']} mostly plays {', '.join(answer['most_played_artists'])};"
            f" {body['source']} list of release {body['release']}"
        )
        rows = [(each["rank"], each["title"], each["artist"], each["score"], _reason(each)) for each in body["items"]]
        print_table(title, ("rank", "title", "artist", "score", "because of"), rows)
    say(f"done in {done.seconds:.0f} s; look around with `make up`")


def _print_rows(done: "Demo") -> None:
    found = ", ".join(f"{count['found']:,} {name.removeprefix('rows_')}" for name, count in done.rows.items())
    say(f"sample world: {found}; as planted")


def _stages(stages: "Sequence[Stage]") -> list[tuple[str, float, float]]:
    """Name, seconds and peak MB of each asset; those of all checks in one row after them."""
    checks = [stage for stage in stages if stage.only_checks]
    rows = [(stage.name, stage.seconds, stage.peak_mb) for stage in stages if not stage.only_checks]
    if checks:
        seconds, peak = sum(check.seconds for check in checks), max(check.peak_mb for check in checks)
        rows.append((counted(len(checks), "check"), seconds, peak))
    return rows


def _print_slate(slate: str, result: Mapping[str, Any], evaluation: Mapping[str, Any]) -> None:
    """The ranker beside the best baseline and what is popular."""
    against = result["paired"]["against"] if result["paired"] else None
    shown = [each for each in result["models"] if each in ("ranker", against, "popular")]
    rows = [(model, *(result["models"][model][metric] for metric in METRICS)) for model in shown]
    users = counted(result["users"], "user")
    title = f"{slate}: {users}, {evaluation['horizon_days']} days from {evaluation['as_of']}"
    say("")
    print_lines(title, ("model", *METRICS), rows, highlight="ranker")


def _print_users(answers: Sequence[Mapping[str, Any]]) -> None:
    """Of each user the first track of each list, and why it is there."""
    say("")
    columns: tuple[str, ...] = ("slate", "first track", "artist", "because of")
    for user_id in dict.fromkeys(answer["response"]["user_id"] for answer in answers):
        of_user = [answer for answer in answers if answer["response"]["user_id"] == user_id]
        rows = []
        for answer in of_user:
            first = (answer["response"]["items"] or [_NOTHING])[0]
            rows.append((answer["response"]["slate"], first["title"], first["artist"], _reason(first)))
        print_lines(f"{user_id} mostly plays {', '.join(of_user[0]['most_played_artists'])}", columns, rows)
        columns = ("",) * len(columns)


def _reason(item: Mapping[str, Any]) -> str | None:
    return (item["reason"] or {}).get("title")
