"""`audotics up`, `down`, `doctor`, `env` and `analyst-url`."""

from typing import Annotated

import typer

from orchestration.cli.options import AsJson
from warehouse.errors import AudoticsError
from warehouse.wording import counted

UiPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI, on loopback.")]
ApiPort = Annotated[
    int, typer.Option(min=1, max=65535, envvar="AUDOTICS_API_PORT", help="Port of the read API, on loopback.")
]
DocsPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of the Data Docs, on loopback.")]


def up(ui_port: UiPort = 3000, api_port: ApiPort = 8080, docs_port: DocsPort = 3001) -> None:
    """Run the servers, the Dagster UI and daemon, the read API and the Data Docs until Ctrl-C.

    Example: `audotics up --ui-port 3010`
    """
    from orchestration.cli.rendering import say
    from orchestration.up import Ports, run_until_interrupted

    run_until_interrupted(Ports(ui_port, api_port, docs_port), say)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, in place of AUDOTICS_API_HOST.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port, in place of AUDOTICS_API_PORT (8080); 0 takes a free one."),
    ] = None,
) -> None:
    """Run the read API alone until Ctrl-C; it needs nothing but Redis.

    Example: `AUDOTICS_API_AUTH=off audotics serve --port 8081`
    """
    from orchestration.cli.rendering import note
    from orchestration.serve import serve_alone

    serve_alone(host, port, note)


def down(
    force: Annotated[bool, typer.Option("--force", help="Also under runs, which then fail.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop the embedded servers, unless a run is working on them; data stays.

    Example: `audotics down`
    """
    from orchestration.cli.rendering import print_json, say
    from orchestration.instance import fail_runs, running_runs
    from warehouse.local.servers import stop
    from warehouse.settings import load_settings

    settings = load_settings()
    if force:
        fail_runs(settings)
    elif runs := running_runs(settings):
        working = counted(len(runs), "run", ("works", "work"))
        raise AudoticsError(
            f"{working} on these servers: {', '.join(runs)}; wait for the end, or fail them: `audotics down --force`"
        )
    stopped = stop(settings)
    if as_json:
        print_json({"stopped": stopped})
    else:
        say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def doctor(as_json: AsJson = False) -> None:
    """Check versions, connections, space, migrations, data and the live release; exit 1 when something is wrong.

    Example: `audotics doctor`
    """
    from dataclasses import asdict

    from orchestration.cli.rendering import painted, print_json, print_table
    from orchestration.doctor import examine
    from warehouse.settings import load_settings

    findings = examine(load_settings())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        ok, no = painted("ok", "green"), painted("no", "bold red")
        rows = [
            (ok, each.name, each.value, "") if each.ok else (no, each.name, each.value, each.advice)
            for each in findings
        ]
        print_table("", ("", "what", "found", "what to do"), rows)
    wrong = [finding.name for finding in findings if not finding.ok]
    if wrong:
        raise AudoticsError(f"{len(wrong)} of {counted(len(findings), 'check')} failed: {', '.join(wrong)}")


def env() -> None:
    """Print the warehouse's address and the dbt project's as the variables that psql, dbt and mf read, and Dagster's.

    Also tells mf how the relations of this warehouse are called; where the project changed, dbt parses it for that.

    Example: `eval "$(audotics env)" && dbt build --exclude-resource-type unit_test`

    Example: `eval "$(audotics env)" && mf query --metrics discovery_rate --group-by metric_time__month`

    Example: `eval "$(audotics env)" && dagster job backfill -w workspace.yaml -j replay --from 2015-01-01`
    """
    import shlex

    from assets.dbt_project import dbt_environment, prepare_metrics
    from orchestration.cli.rendering import say
    from orchestration.instance import dagster_environment
    from orchestration.platform import open_platform

    platform = open_platform()
    url = platform.warehouse_url
    prepare_metrics(url)
    variables = {"AUDOTICS_HOME": str(platform.settings.home), **dagster_environment(platform.settings, url)}
    for name, value in {**dbt_environment(url), **variables}.items():
        say(f"export {name}={shlex.quote(value)}")


def analyst_url(
    rotate: Annotated[bool, typer.Option("--rotate", help="Make a new password; the old one ends at once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a URL for analysts' SQL clients: read-only, marts only, listeners as pseudonyms.

    Example: `psql "$(audotics analyst-url)"`
    """
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.analysts import analyst_url as url_of

    platform = open_platform()
    url = url_of(platform.settings, platform.warehouse_url, rotate=rotate)
    if as_json:
        print_json({"url": url})
    else:
        say(url)
