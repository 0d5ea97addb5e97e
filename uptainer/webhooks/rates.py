"""How often something may happen: so many at once, and so many a minute after that."""

from collections import OrderedDict
from dataclasses import dataclass, field

_KEPT = 1000
"""Names that are remembered; the longest unheard is forgotten first."""


@dataclass(slots=True)
class Rate:
    """By name, on a steady clock's seconds, which each call is given."""

    burst: int
    a_minute: float
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, name: str, now: float) -> bool:
        """Count one more; False where it is too much."""
        left = self._now(name, now)
        self._left[name] = (left - 1 if left >= 1 else left, now)
        self._left.move_to_end(name)
        if len(self._left) > _KEPT:
            self._left.popitem(last=False)
        return left >= 1

    def is_out(self, name: str, now: float) -> bool:
        return self._now(name, now) < 1

    def _now(self, name: str, now: float) -> float:
        left, since = self._left.get(name, (float(self.burst), now))
        return min(float(self.burst), left + (now - since) * self.a_minute / 60)
