"""A real browser: Debian's Chromium, driven by Playwright."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as PageTimeoutError

from tests.lab.room import LabUnavailableError, wait_until

_ARGUMENTS = (
    "--no-sandbox",  # root may not have one
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@cache
def find_chromium() -> Path:
    """Raises: LabUnavailableError, where there is no browser, or the program that drives it does not start."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise LabUnavailableError("no chromium on this machine (apt-get install chromium)")
    driver = subprocess.run(
        [sys.executable, "-m", "playwright", "--version"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if driver.returncode != 0:
        last = driver.stderr.strip().rpartition("\n")[2]
        raise LabUnavailableError(f"the browser's driver does not start: {last} (apt-get install libatomic1)")
    return Path(found)


@contextmanager
def open_browser(executable: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, closed on leaving.

    While it is open, this thread runs Playwright's event loop: no other can be run in it.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def visit(page: Page, url: str, *, until: Locator) -> None:
    """Load it until it shows what it should: the page asks only once for what it needs, however busy the server.

    Raises: AssertionError, with what the page asked in vain and what it showed.
    """
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("requestfailed", lambda request: said.append(f"{request.url}: {request.failure}"))

    def shows() -> bool:
        page.goto(url, timeout=90_000, wait_until="domcontentloaded")
        try:
            until.wait_for(timeout=45_000)
        except PageTimeoutError:
            said.append(page.content()[:2000])
            return False
        return True

    try:
        wait_until(shows, what="the page did not show it", timeout=240)
    except TimeoutError as error:
        raise AssertionError("\n".join([str(error), *said[-40:]])) from error
