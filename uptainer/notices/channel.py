"""One channel to people, by Apprise: mail, a chat, a webhook, whatever its URL names."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, urlsplit
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
_HTTP_CODE = re.compile(r"error=(\d{3})\b")
_SMTP_CODE = re.compile(r"\((\d{3}), b['\"]")
_CLIENT_ERRORS = range(400, 500)
_LATER = frozenset({408, 409, 421, 423, 425, 429})
"""Client errors that pass: a timeout, a conflict, a lock, too early, too many."""
_SMTP_PERMANENT = range(500, 600)
_BETWEEN = re.compile(r"[/:@?&=,\s]+")
_PATH_ASKED = re.compile(r"(\bwith url: )\S+")
"""As urllib3 says where it got no connection."""
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
            UnreachableError: it was not taken, and may be later.
            InvalidInputError: it was refused: the address, the key or what else the URL says is wrong.
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
            raise self._fault("; ".join(said) or "it gave no reason")

    def _fault(self, said: str) -> UnreachableError | InvalidInputError:
        name, reason = self._service.service_name, _without_secrets(said, self._url)
        if is_refusal(said):
            return InvalidInputError(f"{name} refuses it: {reason}")
        return UnreachableError(f"{name} did not take it: {reason}")


def is_refusal(said: str) -> bool:
    """Whether trying again can't help, by the codes in what Apprise said: HTTP's (RFC 9110, 15.5) and SMTP's (RFC 5321, 4.2.1)."""
    http = [int(code) for code in _HTTP_CODE.findall(said)]
    smtp = [int(code) for code in _SMTP_CODE.findall(said)]
    refused = [code in _CLIENT_ERRORS and code not in _LATER for code in http]
    refused += [code in _SMTP_PERMANENT for code in smtp]
    return bool(refused) and all(refused)


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
    """Whatever of the URL could be a key is taken out, however it is escaped; a host's name, which has a dot, stays."""
    text = _PATH_ASKED.sub(r"\1***", text)
    plain = {unquote(piece) for piece in _BETWEEN.split(url)}
    plain |= {part for piece in plain for part in _BETWEEN.split(piece)}
    forms = {
        form for piece in plain for form in (piece, quote(piece), quote(piece, safe=""), quote_plus(piece))
    }
    pieces = {form for form in {*forms, *_BETWEEN.split(url)} if len(form) >= _SECRET_AT_LEAST}
    host = _host(url)
    for piece in sorted(pieces - ({host} if "." in host else set()), key=len, reverse=True):
        text = text.replace(piece, "***")
    return text


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
