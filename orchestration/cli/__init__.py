"""The `audotics` command."""

import sys

from orchestration.cli.app import app
from warehouse.errors import AudoticsError, InterruptedByUserError

# With which Typer ends a command when somebody presses Ctrl-C.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; a failure that people can fix is one line on standard error and exit code 1."""
    from orchestration.cli.rendering import print_error

    try:
        app(prog_name="audotics")
    except AudoticsError as error:
        print_error(str(error))
        sys.exit(_INTERRUPTED if isinstance(error, InterruptedByUserError) else 1)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            print_error("interrupted; what was finished before stays: run the command again")
        raise
