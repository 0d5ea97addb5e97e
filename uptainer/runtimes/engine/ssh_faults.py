"""From what OpenSSH says to a sentence that says what to do."""

import re
from collections.abc import Callable

from uptainer.core.errors import AccessDeniedError, InvalidInputError, UnreachableError, UptainerError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import SshTarget

_ABOUT_US = ("Permission denied", "Too many authentication failures")
_NO_ROUTE = (
    "Connection refused",
    "timed out",
    "No route to host",
    "Network is unreachable",
    "Could not resolve",
)
_BAD_KEY = ("error in libcrypto", "invalid format", "incorrect passphrase")
_NO_SSH = ("kex_exchange_identification", "banner", "Connection closed by", "Connection reset by")


def failure(words: str, address: HostAddress, target: SshTarget) -> UptainerError:
    """Why ssh has ended."""
    for signs, told in _FAILURES:
        if any(sign in words for sign in signs):
            return told(words, address, target)
    return UnreachableError(
        f"{address.name}: the SSH connection to {target.host} ended{_last(words, before=': ')}"
    )


def no_channel(words: str, address: HostAddress, target: SshTarget) -> UptainerError | None:
    """Why the connection stands and leads to no engine; None where ssh said nothing of it."""
    if "administratively prohibited" in words:
        return AccessDeniedError(
            f"{address.name}: the SSH server on {target.host} does not let us reach the socket {target.socket}: its "
            "sshd_config needs AllowStreamLocalForwarding yes (and no `restrict` without `port-forwarding` "
            "before the key in authorized_keys)"
        )
    if "open failed" in words:
        return UnreachableError(
            f"{address.name}: nothing answers at {target.socket} on {target.host}: is the engine running there, is "
            f"that its socket, and may {_user(target)} use it?"
        )
    return None


def _changed(_: str, address: HostAddress, target: SshTarget) -> UptainerError:
    return AccessDeniedError(
        f"{address.name}: {target.host} shows another SSH host key than the known one. Either the machine was set up "
        f"anew, or somebody stands between. {_how_to_know(address, target)}"
    )


def _unknown(_: str, address: HostAddress, target: SshTarget) -> UptainerError:
    return AccessDeniedError(
        f"{address.name}: the SSH host key of {target.host} is not known, and Uptainer takes none unseen. "
        f"{_how_to_know(address, target)}"
    )


def _how_to_know(address: HostAddress, target: SshTarget) -> str:
    port = f"-p {target.port} " if target.port else ""
    place = f"the known hosts of block {address.block!r}" if address.block else "~/.ssh/known_hosts"
    return (
        f"Get it with `ssh-keyscan {port}{target.host}`, compare it with what "
        f"`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the machine itself (`ssh-keygen -lf -` reads the "
        f"line from ssh-keyscan), and put the line into {place}"
    )


def _not_let_in(_: str, address: HostAddress, target: SshTarget) -> UptainerError:
    return AccessDeniedError(
        f"{address.name}: {target.host} does not let {_user(target)} in with this key: its public half belongs into "
        "~/.ssh/authorized_keys there"
    )


def _no_way(words: str, address: HostAddress, target: SshTarget) -> UptainerError:
    return UnreachableError(
        f"{address.name}: {target.host} can't be reached by SSH{_last(words, before=': ')}"
    )


def _no_key(_: str, address: HostAddress, __: SshTarget) -> UptainerError:
    return InvalidInputError(
        f"{address.name}: the private key is not one that OpenSSH reads: paste all of its lines, the first and the last "
        "among them"
    )


def _bad_option(words: str, address: HostAddress, _: SshTarget) -> UptainerError:
    return InvalidInputError(
        f"{address.name}: ssh does not take its configuration{_last(words, before=': ')}"
    )


def _user(target: SshTarget) -> str:
    return target.user or "this user"


def _last(words: str, *, before: str) -> str:
    """The last line, without what it puts at its ends."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return before + re.sub(r"^ssh: |\.$", "", lines[-1]) if lines else ""


_Told = Callable[[str, HostAddress, SshTarget], UptainerError]
_FAILURES: tuple[tuple[tuple[str, ...], _Told], ...] = (
    (("IDENTIFICATION HAS CHANGED",), _changed),
    (("host key is known", "Host key verification failed"), _unknown),
    (_BAD_KEY, _no_key),
    (_ABOUT_US, _not_let_in),
    (("Bad configuration option", "Bad owner or permissions"), _bad_option),
    ((*_NO_ROUTE, *_NO_SSH), _no_way),
)
"""In the order in which they are looked for: a key that can't be read ends in a denial as well."""
