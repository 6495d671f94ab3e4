"""The `audotics` command."""

import sys
import warnings

from rich.console import Console
from rich.markup import escape

from orchestration.cli.app import app
from warehouse.errors import AudoticsError


def main() -> None:
    """Run the command line; a failure that people can mend is one line on standard error and exit code 1."""
    # Dagster marks backfill policies and partitioned checks as new; whoever runs a command cannot act on that.
    warnings.filterwarnings("ignore", message=".*currently in (beta|preview).*")
    try:
        app(prog_name="audotics")
    except AudoticsError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)
