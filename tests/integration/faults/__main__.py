"""What clients of the read API see while faults happen, printed: `make faults`, in about two minutes."""

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from faults.all_faults import ALL
from faults.campaign import run
from faults.report import COLUMNS, rows_of
from orchestration.cli.rendering import note, print_table, say


def main() -> int:
    """The table, what the faults have to say, and every failure; 1 where there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Only faults with this in their name, after a while without any.")
    only = parser.parse_args().only
    # Without any fault first, so that every worker has read a release and the keys.
    chosen = [ALL[0], *(fault for fault in ALL[1:] if only in fault.name)]
    with TemporaryDirectory(prefix="audotics-faults-") as folder:
        phases = asyncio.run(run(Path(folder), chosen, note))
    rows = rows_of(chosen, phases)
    print_table("What clients saw", COLUMNS, [row.cells for row in rows])
    for row, phase in zip(rows, phases, strict=True):
        for line in filter(None, (row.reasons, *phase.notes)):
            say(f"{row.fault}: {line}")
    for row in rows:
        for fault in (*row.faults[:20], *(f"expected, but not seen: {what}" for what in sorted(row.unseen))):
            say(f"{row.fault}: {fault}")
    return int(any(row.faults or row.unseen for row in rows))


if __name__ == "__main__":
    sys.exit(main())
