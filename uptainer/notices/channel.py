"""One channel to people, by Apprise: mail, a chat, a webhook, whatever its URL names."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from uuid import UUID

from uptainer.core.enums import NoticeSeverity
from uptainer.core.errors import InvalidInputError, UnreachableError
from uptainer.notices.message import Message

if TYPE_CHECKING:
    from apprise import NotifyBase, NotifyType

MARK = "X-Uptainer-Notice"
"""The header of mails and webhooks that says which message it is: one that comes again bears the same."""
LONGEST = 8000
_ROOM_FOR_TITLE = 300
_SECRET_AT_LEAST = 6
_REASON = "Socket Exception: "
_log = logging.getLogger("apprise")
_listening = threading.Lock()


class AppriseChannel:
    """`url` is Apprise's, for one recipient: https://github.com/caronc/apprise/wiki."""

    def __init__(self, url: str) -> None:
        self._url = url.strip()
        self._service = _instantiate(self._url)

    @property
    def longest(self) -> int:
        """How many characters a message may have there."""
        return max(_ROOM_FOR_TITLE, min(int(self._service.body_maxlen) - _ROOM_FOR_TITLE, LONGEST))

    def send(self, message: Message, mark: UUID) -> None:
        """Send it, once; `mark` goes along where the channel has a place for it.

        Raises:
            UnreachableError: it was not taken; whether for now or for good, Apprise does not say.
        """
        from apprise import Apprise, NotifyFormat  # noqa: PLC0415 -- slow, and most processes send nothing

        headers = getattr(self._service, "headers", None)
        if isinstance(headers, dict):
            headers[MARK] = str(mark)
        with _heard() as said:
            sender = Apprise()
            sender.add(self._service)
            taken = sender.notify(
                body=message.body,
                title=message.title,
                notify_type=_kind(message),
                body_format=NotifyFormat.TEXT,
            )
        if not taken:
            raise UnreachableError(self._reason(said))

    def _reason(self, said: list[str]) -> str:
        reason = "; ".join(said) or "it gave no reason"
        return f"{self._service.service_name} did not take it: {_without_secrets(reason, self._url)}"


def _instantiate(url: str) -> "NotifyBase":
    """Raises InvalidInputError, with nothing of the URL in it but its scheme."""
    from apprise import Apprise  # noqa: PLC0415 -- slow, and most processes send nothing
    from apprise.common import OverflowMode  # noqa: PLC0415 -- as above

    scheme = url.partition("://")[0][:20] if "://" in url else "it"
    with _heard() as said:
        service = Apprise.instantiate(url)
    if service is None:
        why = f" ({_without_secrets('; '.join(said), url)})" if said else ""
        raise InvalidInputError(
            f"{scheme} is no complete Apprise URL{why}: write it like mailto:// or ntfy://"
        )
    if len(service) > 1:
        raise InvalidInputError(
            f"it names {len(service)} recipients: make a block for each (a mail may have cc=), so that none hears "
            "twice what another did not get"
        )
    service.overflow_mode = OverflowMode.TRUNCATE
    return service


def _kind(message: Message) -> "NotifyType":
    from apprise import NotifyType  # noqa: PLC0415 -- slow, and most processes send nothing

    if message.is_good:
        return NotifyType.SUCCESS
    return {
        NoticeSeverity.INFO: NotifyType.INFO,
        NoticeSeverity.WARNING: NotifyType.WARNING,
        NoticeSeverity.CRITICAL: NotifyType.FAILURE,
    }[message.severity]


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What Apprise logs within, which is all it says of a failure; kept from other logs, for it tells of the URL."""
    said: list[str] = []
    ear = _Ear(said)
    with _listening:
        before = _log.level, _log.propagate
        _log.addHandler(ear)
        _log.setLevel(logging.DEBUG)
        _log.propagate = False
        try:
            yield said
        finally:
            _log.removeHandler(ear)
            _log.setLevel(before[0])
            _log.propagate = before[1]


class _Ear(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        if record.levelno >= logging.WARNING or text.startswith(_REASON):
            self._said.append(text.removeprefix(_REASON))


def _without_secrets(text: str, url: str) -> str:
    """Whatever of the URL could be a key is taken out; a host's name, which has a dot, stays."""
    pieces = {unquote(piece) for piece in re.split(r"[/:@?&=,\s]+", url) if len(piece) >= _SECRET_AT_LEAST}
    host = _host(url)
    for piece in sorted(pieces - ({host} if "." in host else set()), key=len, reverse=True):
        text = text.replace(piece, "***")
    return text


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
