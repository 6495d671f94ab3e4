"""The `audotics` command."""

import sys

from orchestration.cli.app import app
from warehouse.errors import AudoticsError


def main() -> None:
    """Run the command line; a failure that people can fix is one line on standard error and exit code 1."""
    try:
        app(prog_name="audotics")
    except AudoticsError as error:
        from orchestration.cli.rendering import print_error

        print_error(str(error))
        sys.exit(1)
