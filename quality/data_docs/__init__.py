"""Data Docs: what Great Expectations observed in a run, as pages that need nothing from anywhere else.

A page is AUDOTICS_HOME/data_docs/<run>/<asset>.<check>.html; `audotics up` serves them on loopback.
"""

import shutil
import time
from pathlib import Path
from typing import Any

FOLDER = "data_docs"
# As long as a night may have to be explained; what was observed stays in quality.observations.
KEPT_DAYS = 30
_DAY_SECONDS = 86_400
_TEMPLATES = Path(__file__).parent


def write_page(home: Path, run_id: str, name: str, title: str, result: Any) -> str:
    """Write the page of a result, let old runs go, and return its path below FOLDER.

    result: an ExpectationSuiteValidationResult.
    """
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer().render(result)
    # Its own page template loads scripts and styles from other servers.
    view: Any = DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))
    page: str = view.render(document, template="validation_page.j2", title=title)
    folder = home / FOLDER / run_id
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{name}.html"
    unfinished.write_text(page, encoding="utf-8")
    unfinished.rename(folder / f"{name}.html")
    _expire(home / FOLDER)
    return f"{run_id}/{name}.html"


def _expire(folder: Path) -> None:
    """Remove the runs whose last page was written more than KEPT_DAYS ago."""
    limit = time.time() - KEPT_DAYS * _DAY_SECONDS
    for run in folder.iterdir():
        if run.is_dir() and run.stat().st_mtime < limit:
            shutil.rmtree(run, ignore_errors=True)
