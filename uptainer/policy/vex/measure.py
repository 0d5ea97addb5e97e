"""How much one document may state: what a few bytes of it multiply into would else fill a worker's memory, or its day."""

from uptainer.core.errors import InvalidInputError

MOST = 100_000


class Measure:
    """Counts statements, each with the products and names that it is about."""

    def __init__(self, most: int = MOST) -> None:
        self.size = 0
        self._most = most

    def take(self, count: int) -> None:
        """Raises InvalidInputError: it is more than a document may have."""
        self.size += count
        if self.size > self._most:
            raise InvalidInputError(
                f"it states more than is read: {self._most} statements, with the products and names of each"
            )
