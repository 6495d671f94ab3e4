"""Every command of `audotics`. Bodies import what they need, so that `--help` stays fast."""

import typer

from orchestration.cli import (
    blocks,
    ingest,
    keys,
    landing,
    migrations,
    models,
    pipeline,
    rejects,
    releases,
    replay,
    scenarios,
    search,
    servers,
    suggest,
)

app = typer.Typer(
    name="audotics",
    help="Listening logs in, music recommendations out.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
ingest.app.command()(landing.retry)
ingest.app.command()(suggest.suggest)
app.add_typer(ingest.app, name="ingest")
app.add_typer(rejects.app, name="rejects")
app.add_typer(blocks.app, name="blocks")
app.add_typer(scenarios.app, name="scenarios")
app.add_typer(releases.app, name="releases")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
for command in (
    pipeline.demo,
    pipeline.run,
    pipeline.evaluate,
    pipeline.recommendations,
    replay.replay,
    search.search,
    migrations.migrate,
    servers.up,
    servers.serve,
    servers.down,
    servers.doctor,
    servers.env,
    servers.analyst_url,
):
    app.command()(command)
