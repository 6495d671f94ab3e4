"""The home folder, without a server."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from warehouse.local.home import prepare_home


def test_commands_that_make_a_home_at_the_same_moment_all_go_on(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def make(home: Path) -> None:
        together.wait()
        prepare_home(home)

    with ThreadPoolExecutor(8) as commands:
        for number in range(40):
            home = tmp_path / str(number) / "home"
            list(commands.map(make, [home] * 8))
            assert home.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
