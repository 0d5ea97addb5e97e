"""Why a signature does not count."""

from uptainer.core.errors import PermanentError


class DoubtError(PermanentError):
    """This signature proves nothing; the message says why. Others of the same image may still hold."""
