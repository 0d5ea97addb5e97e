"""An update that a person approves in a real browser, whose new image ruins the data and is not healthy."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import TimeoutError as PageTimeoutError

from tests.lab.browser import visit
from tests.lab.docker import DockerEngine
from tests.lab.registry import Registry
from tests.lab.room import Room, wait_until
from tests.lab.shop import FAILING, WRITES_AND_STAYS, Shop, exec_in
from tests.lab.system import System, running_system
from uptainer.core.enums import ApprovalChannel, UpdateStatus
from uptainer.store.repositories.approvals import ApprovalRepository

pytestmark = pytest.mark.timeout(900)
PICTURES = Path(os.environ.get("UPTAINER_ARTIFACTS", "build/screenshots"))
BACKED_UP = {"uptainer.backup.volumes": "true"}
DATA = (
    "echo as-it-was > /data/file; chmod 640 /data/file; chown 1000:1001 /data/file; echo two > /data/second; "
    "mkdir /data/deep; chmod 2750 /data/deep; ln -s ../file /data/deep/link; chown 1000:1001 /data"
)


@pytest.fixture(scope="module")
def shop(docker_engine: DockerEngine, registry: Registry) -> Iterator[Shop]:
    docker_engine.clear()
    shop = Shop(docker_engine, registry)
    shop.push("guestbook:2.3.1", pull=True)
    shop.push("guestbook:2.4.0", fixed=True, cmd=WRITES_AND_STAYS, healthcheck=FAILING)
    container = shop.run("guestbook-1", "guestbook:2.3.1", labels=BACKED_UP, volumes=["guests:/data"])
    exec_in(container, DATA)
    yield shop
    docker_engine.clear()


@pytest.fixture(scope="module")
def system(room: Room, shop: Shop, trivy_binary: Path) -> Iterator[System]:
    with running_system(room, shop.engine, trivy_binary) as system:
        yield system


def open_form(page: Page) -> Locator:
    page.get_by_role("button", name="Resume").first.click()
    form = page.locator(".p-modal").filter(has_text="Resume Flow Run")
    form.get_by_role("button", name="Submit").wait_for()
    return form


def choose(page: Page, form: Locator, decision: str) -> None:
    button = form.locator("button.p-select-button__control").first
    button.click()
    button.press("ArrowDown")
    page.locator(".p-select-option").filter(has_text=decision).first.click()


def submit(form: Locator) -> None:
    """As a person does: once more where the form stays, as it does when Prefect did not take the answer."""
    for _ in range(3):
        with suppress(PageTimeoutError):
            form.get_by_role("button", name="Submit").click(timeout=15_000)
            form.wait_for(state="hidden", timeout=15_000)
            return
    form.wait_for(state="hidden")


def take_picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def test_an_unhealthy_update_approved_on_the_page_is_undone_with_its_data(
    system: System, shop: Shop, chromium: Browser
) -> None:
    before = shop.container("guestbook-1").id
    data = shop.files("guestbook-1", "/data")
    update, run = system.gate("guestbook-1")

    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(120_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visit(page, f"{system.url}/runs/flow-run/{run}", until=page.get_by_role("button", name="Resume").first)
    form = open_form(page)
    for said in ("guestbook-1", "2.3.1", "2.4.0", "CVE-2024-6119", "the data in guests"):
        form.get_by_text(said).first.wait_for()
    take_picture(page, "gate")
    choose(page, form, "approve")
    form.locator("textarea").nth(0).fill("Ada Lovelace")
    form.locator("textarea").nth(1).fill("read the notes")
    take_picture(page, "gate-filled-in")
    submit(form)

    ended = system.ended(run)["state"]
    assert (ended["type"], ended["name"]) == ("FAILED", "RolledBack"), ended
    assert "guestbook-1" in ended["message"]
    assert "the schema is too new" in ended["message"]
    after = shop.container("guestbook-1")
    assert (after.id, after.status) == (before, "running")
    assert shop.image_of("guestbook-1") == shop.image("guestbook:2.3.1")
    assert shop.files("guestbook-1", "/data") == data

    assert system.update("guestbook-1").status is UpdateStatus.ROLLED_BACK
    with system.database.session() as session:
        given = ApprovalRepository(session).for_update(update.id)
    assert [(each.answered_by, each.authenticated, each.channel, each.reason) for each in given] == [
        ("Ada Lovelace", False, ApprovalChannel.PREFECT_FORM, "read the notes")
    ]
    # Prefect hands a run's log over in batches, some of it after the run has ended.
    wait_until(lambda: "undone: " in "\n".join(system.log(run)), what="the log did not tell of the undo")
    assert "failed: prove that guestbook-1 is healthy" in "\n".join(system.log(run))
    assert "the schema is too new" in system.artifact(f"update-{update.id}")["data"]
    page.get_by_text("RolledBack").first.wait_for()
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text(f"update-{update.id}-progress").first.wait_for()
    take_picture(page, "rolled-back")
    assert {httpx.URL(each).host for each in asked} - {""} == {"127.0.0.1"}


def test_a_digest_that_was_rolled_back_is_not_offered_again(system: System) -> None:
    checked = system.run("check", container=system.address("guestbook-1"))
    assert "0 updates proposed" in checked["state"]["message"]
    assert len(system.updates("guestbook-1")) == 1
