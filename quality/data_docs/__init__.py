"""Data Docs: what Great Expectations observed in a run, as pages that need nothing from anywhere else.

A page is AUDOTICS_HOME/data_docs/<run>/<asset>.<check>.html; `audotics up` serves them on loopback.
"""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = "data_docs"
# As long as a night may have to be explained; what was observed stays in quality.observations.
KEPT_DAYS = 30
_DAY_SECONDS = 86_400
_TEMPLATES = Path(__file__).parent


def write_page(home: Path, page: str, title: str, result: Any) -> None:
    """Write the page of a result, and let old runs go.

    page: its path below FOLDER, a folder for each run. result: an ExpectationSuiteValidationResult.

    Raises:
        OSError: it cannot be written.
    """
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer().render(result)
    # Its own page template loads scripts and styles from other servers.
    view: Any = DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))
    path = home / FOLDER / page
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(view.render(document, template="validation_page.j2", title=title), encoding="utf-8")
    unfinished.rename(path)
    _expire(home / FOLDER)


def _expire(folder: Path) -> None:
    """Remove the runs whose last page was written more than KEPT_DAYS ago; another run may do so at the same time."""
    limit = time.time() - KEPT_DAYS * _DAY_SECONDS
    for run in folder.iterdir():
        with suppress(FileNotFoundError):
            if run.is_dir() and run.stat().st_mtime < limit:
                shutil.rmtree(run, ignore_errors=True)
