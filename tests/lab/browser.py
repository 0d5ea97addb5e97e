"""A real browser: Debian's Chromium, driven by Playwright."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.lab.room import LabUnavailableError

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
