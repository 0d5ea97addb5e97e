"""What somebody accepts: one vulnerability, or one kind of secret, for a reason and until a time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from uptainer.core.errors import InvalidInputError
from uptainer.policy.durations import parse_duration
from uptainer.policy.identity import ImageIdentity, is_like

LONGEST = timedelta(days=366)
LONGEST_REASON = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{2,99}")


@dataclass(frozen=True, slots=True)
class Allowance:
    """`finding` is a vulnerability's id, or the rule by which a secret was found.

    `package` (of a secret: the file), `image`, `workload` (`host/name`) and `project` (`name` or `host/name`) are globs that
    narrow it; "" does not. From `expires_at` on it does not count any more.
    """

    finding: str
    reason: str
    expires_at: datetime
    allowed_by: str = ""
    package: str = ""
    image: str = ""
    workload: str = ""
    project: str = ""

    def holds(self, now: datetime) -> bool:
        return now < self.expires_at

    def covers(self, host: str, key: str, project: str | None) -> bool:
        """Whether it is for this container at all."""
        projects = (project, f"{host}/{project}") if project else ()
        return is_like(self.workload, f"{host}/{key}") and (
            not self.project or any(is_like(self.project, each) for each in projects)
        )

    def names(self, finding: str, package: str, image: ImageIdentity) -> bool:
        """`finding` and `package` are a vulnerability's, or a secret's rule and file."""
        return (
            self.finding.casefold() == finding.casefold()
            and is_like(self.package, package)
            and (not self.image or any(is_like(self.image, form) for form in image.forms))
        )

    @property
    def scope(self) -> str:
        """What it is for, as a key that tells it apart from all others."""
        narrowed = [
            f"{name} {value}"
            for name in ("package", "image", "workload", "project")
            if (value := getattr(self, name))
        ]
        return " in ".join([self.finding, *narrowed])

    def checked(self, now: datetime, *, beyond_a_year: bool = False) -> Self:
        """As it is, where it may be stored.

        Raises:
            InvalidInputError: it names no single finding, has no reason, or lasts longer than a year.
        """
        if not _NAME.fullmatch(self.finding):
            raise InvalidInputError(
                f"{self.finding!r} is not one vulnerability or one rule for secrets: name it, like CVE-2026-1234"
            )
        if not self.reason.strip():
            raise InvalidInputError(f"say why {self.finding} is accepted: without a reason nothing is")
        if len(self.reason) > LONGEST_REASON:
            raise InvalidInputError(
                f"the reason for {self.finding} has {len(self.reason)} characters, and {LONGEST_REASON} stand in an account"
            )
        if self.expires_at > now + LONGEST and not beyond_a_year:
            raise InvalidInputError(
                f"{self.finding} would be allowed until {self.expires_at:%Y-%m-%d}, and a year is the longest, unless "
                "it is said in so many words (--beyond-a-year, or beyond_a_year: true)"
            )
        return self


def read_expiry(text: str, now: datetime) -> datetime:
    """`90d` from now, or a date or time; a date means its beginning, and without an offset it is UTC. In UTC.

    Raises:
        InvalidInputError: it is none of them.
    """
    try:
        return now + parse_duration(text)
    except InvalidInputError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"{text!r} is no time: write 90d, or a date like 2026-12-24") from None
