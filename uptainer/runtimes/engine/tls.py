"""TLS to an engine: it shows a certificate that we trust, for the name that we asked for, and we show ours.

Source: https://docs.docker.com/engine/security/protect-access/.
"""

import ssl
from pathlib import Path

from uptainer.core.errors import AccessDeniedError, InvalidInputError
from uptainer.core.secrets import TlsSecret
from uptainer.runtimes.engine.private_files import private_file


def client_context(secret: TlsSecret, name: str) -> ssl.SSLContext:
    """Without a CA the system's certificates are trusted. `name` is the host's, for the messages.

    Raises:
        InvalidInputError: a part is not what it should be; the message says which, and never what it holds.
    """
    try:
        context = ssl.create_default_context(cadata=secret.ca or None)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInputError(f"{name}: the CA certificate is not a certificate in PEM form") from error
    if secret.certificate or secret.key:
        _show(context, secret, name)
    return context


def read_folder(folder: str, name: str) -> TlsSecret:
    """From ca.pem, cert.pem and key.pem, as Docker's own client names them.

    Raises:
        InvalidInputError, AccessDeniedError: one of them is not there, or may not be read.
    """
    ca, certificate, key = (_read(Path(folder) / f"{part}.pem", name) for part in ("ca", "cert", "key"))
    return TlsSecret(ca, certificate, key)


def _show(context: ssl.SSLContext, secret: TlsSecret, name: str) -> None:
    try:
        with private_file(f"{secret.certificate.strip()}\n{secret.key.strip()}\n") as path:
            context.load_cert_chain(path, password="")  # without one, OpenSSL would ask at the terminal
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise InvalidInputError(
                f"{name}: the client certificate and the key do not belong together"
            ) from error
        raise InvalidInputError(
            f"{name}: the client certificate and the key are not both in PEM form, or a passphrase protects the key, "
            "and Uptainer has none"
        ) from error


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidInputError(f"{name}: there is no {path} for its TLS") from error
    except OSError as error:
        raise AccessDeniedError(f"{name}: {path} cannot be read: {error.strerror}") from error
