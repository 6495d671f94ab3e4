"""Debian's Chromium, driven by Playwright: what a person sees who opens a page, with nothing from anywhere else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright

# CI machines are slow, and others work beside the browser.
_MILLISECONDS = 60_000
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What the browser itself asks for does not come by the routes of its pages.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_ELSEWHERE = re.compile(r"^\w+://(?!127\.0\.0\.1[:/])")


@dataclass(frozen=True)
class Browser:
    """A browser with an empty profile. elsewhere: what its pages asked another machine for over HTTP, and did not
    get.
    """

    context: BrowserContext
    elsewhere: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """A page of its own."""
        page = self.context.new_page()
        page.goto(url)
        return page


@contextmanager
def open_browser(program: str) -> Iterator[Browser]:
    """Chromium without a window, as large as a screen. program: where it is."""
    expect.set_options(timeout=_MILLISECONDS)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=_FLAGS, timeout=_MILLISECONDS) as launched,
        launched.new_context(viewport={"width": 1600, "height": 1000}, service_workers="block") as context,
    ):
        context.set_default_timeout(_MILLISECONDS)
        browser = Browser(context)

        def refuse(route: Route) -> None:
            browser.elsewhere.append(route.request.url)
            route.abort()

        context.route(_ELSEWHERE, refuse)
        yield browser
