"""Documents that were read, kept for the next decisions: as many as a worker has memory for, the last used ones."""

from collections import OrderedDict
from threading import Lock

from uptainer.policy.vex.measure import MOST
from uptainer.policy.vex.statements import Document


class KeptDocuments:
    """By name and hash. `most` bounds the sum of their sizes, as `Measure` counts them."""

    def __init__(self, most: int = 2 * MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], Document] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str, sha256: str) -> Document | None:
        with self._lock:
            found = self._kept.get((name, sha256))
            if found is not None:
                self._kept.move_to_end((name, sha256))
            return found

    def put(self, document: Document) -> None:
        with self._lock:
            self._kept[document.name, document.sha256] = document
            while sum(each.size for each in self._kept.values()) > self._most:
                self._kept.popitem(last=False)
