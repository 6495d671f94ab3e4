"""A night that a check stopped, as the person on call sees it in the Dagster UI, with Data Docs beside it."""

from datetime import date
from pathlib import Path

import pytest
from browser import Browser, open_browser
from nightly_faults import FAULTS
from pipeline_process import Pipeline
from playwright.sync_api import Locator, Page, expect
from sample_pipeline import AS_OF, FOLLOWING
from up_process import Up, nothing_left, running, until

from quality.validate import FAILING_ROWS_SHOWN
from tests.debian import require
from warehouse.settings import Settings

BEFORE = date.fromisoformat(AS_OF)
(FAULT,) = (fault for fault in FAULTS if fault.name == "negative durations")


@pytest.fixture(scope="session", autouse=True)
def chromium() -> str:
    """Where the browser is; asked for before anything is built to show in it."""
    return require("chromium", "chromium")


def launch_nightly(up: Up, as_of: str) -> str:
    """Start the nightly job of a date in the daemon, as its schedule does; returns the id of the run."""
    locations = up.query("{repositoriesOrError{... on RepositoryConnection{nodes{name location{name}}}}}")
    (repository,) = locations["repositoriesOrError"]["nodes"]
    selector = (
        f'{{repositoryName:"{repository["name"]}",repositoryLocationName:"{repository["location"]["name"]}",'
        'jobName:"nightly"}'
    )
    launched = up.query(
        f'mutation{{launchRun(executionParams:{{selector:{selector},runConfigData:"{{}}",executionMetadata:{{tags:'
        f'[{{key:"dagster/partition",value:"{as_of}"}}]}}}}){{__typename ... on LaunchRunSuccess{{run{{runId}}}}'
        " ... on PythonError{message} ... on RunConfigValidationInvalid{errors{message}}}}"
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def ended(up: Up, run_id: str) -> str:
    """The status of a run at its end."""
    asked = f'{{runOrError(runId:"{run_id}"){{... on Run{{status}}}}}}'
    statuses = {"SUCCESS", "FAILURE", "CANCELED"}
    return str(until(lambda: up.query(asked)["runOrError"]["status"], lambda status: status in statuses, 600))


def shown(page: Page, folder: Path, name: str, *texts: str) -> None:
    """Wait until the page shows the texts, and keep it as a picture."""
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()
    page.screenshot(path=folder / f"{name}.png")


def open_check(browser: Browser, up: Up, run_id: str, folder: Path) -> Page:
    """From the list of runs to the check that failed, in three clicks."""
    page = browser.open(f"{up.ui}/runs")
    shown(page, folder, "0-runs", f"partition: {FOLLOWING}", "Failure")
    page.get_by_role("link", name=run_id[:8]).click()
    failed_step = page.get_by_text(f"raw__listens_{FAULT.gate}", exact=True).last
    shown(page, folder, "1-run", "Errored (1)", "Not executed")
    failed_step.click()
    check = page.get_by_role("link", name=FAULT.gate, exact=True)
    shown(page, folder, "2-step", f"Check {FAULT.gate} failed for materialization of")
    check.first.click()
    return page


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_from_the_red_run_to_the_failing_rows_in_three_clicks_and_to_data_docs(
    chromium: str, own_pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", own_pipeline.warehouse_url)
    monkeypatch.setenv("AUDOTICS_REDIS_URL", own_pipeline.redis_url)
    with nothing_left(Settings(home=own_pipeline.home)) as home, running(home) as up:
        with FAULT.planted(own_pipeline, BEFORE):
            run_id = launch_nightly(up, FOLLOWING)
            assert ended(up, run_id) == "FAILURE"
        failing = own_pipeline.query("select user_key, track_key, listened_at from raw.listens where ms_played = -5")
        with open_browser(chromium) as browser:
            page = open_check(browser, up, run_id, tmp_path)
            said = f"ms_played out of range: {len(failing)} (expected: ms_played is at least 0 and at most 86,400,000)"
            shown(page, tmp_path, "3-check", said, "This is a blocking asset check", "failing/ms_played out of range")
            rows = metadata(page, "failing/ms_played out of range").get_by_role("row").filter(has_text="-5")
            expect(rows.first).to_be_in_viewport()
            expect(rows).to_have_count(min(len(failing), FAILING_ROWS_SHOWN))
            found = [each.get_by_role("cell").all_inner_texts() for each in rows.all()]
            assert {tuple(each[:3]) for each in found} <= {tuple(map(str, each)) for each in failing}
            query = metadata(page, "query/ms_played out of range").get_by_role("cell").last
            assert sorted(each[:3] for each in own_pipeline.query(query.inner_text())) == sorted(failing)
            docs = follow_data_docs(page, f"{up.docs}/{run_id}/raw.listens.{FAULT.gate}.html")
            shown(docs, tmp_path, "4-data-docs", "Status:", "Failed", f"{len(failing)} unexpected values found.")
            assert docs.title() == f"raw_listens as of {FOLLOWING}"
            assert browser.elsewhere == []
        up.stop()


def metadata(page: Page, label: str) -> Locator:
    """An entry of the metadata of a check: its label, and a value or the rows of a table."""
    return page.get_by_role("row").filter(has_text=label)


def follow_data_docs(page: Page, url: str) -> Page:
    """The page that the check links to, which opens beside it."""
    with page.expect_popup() as opened:
        page.get_by_role("link", name=url, exact=True).click()
    return opened.value
