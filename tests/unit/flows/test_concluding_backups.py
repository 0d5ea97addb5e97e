"""What a run says of the backups that it made, and of those that it did not."""

from pathlib import Path

import pytest

from flows.back_up import conclude
from flows.sweeping import Swept
from uptainer.backups.local import LocalFiles
from uptainer.backups.store import BackupStore, Location
from uptainer.core.errors import BusyError, PermanentError
from uptainer.fleet.backing_up import Kept

KEPT = Kept(7, "a/web", Location(BackupStore(LocalFiles(Path("/kept"))), "/kept/web"), 2, 300)
BUSY, FULL = ("a/db", BusyError("somebody is at it")), ("a/db", PermanentError("it is full"))
MADE = "a/web: backup 7, 2 volumes, 300 bytes"


@pytest.mark.parametrize(
    ("swept", "regular", "is_well", "said"),
    [
        (Swept([], []), True, True, "no regular backup is due"),
        (Swept([KEPT], []), True, True, MADE),
        (Swept([KEPT, None, None], []), True, True, f"{MADE}; 2 were not due any more when their turn came"),
        (Swept([KEPT], [FULL]), True, False, f"a/db was not backed up: it is full; {MADE}"),
        (Swept([], [BUSY]), True, True, "for the next round, for another run works on them: a/db"),
        (Swept([], [BUSY]), False, False, "a/db was not backed up: somebody is at it"),
    ],
)
def test_what_stays_due_has_not_failed_and_what_was_asked_for_has(
    swept: Swept[str, Kept | None], regular: bool, is_well: bool, said: str
) -> None:
    state = conclude(swept, regular=regular)
    assert (state.is_completed(), state.message) == (is_well, said)
