"""Which client asks a language model: its packages are an extra, and are looked for when a model is."""

from uptainer.advice.model import AdviceModel, ModelSettings
from uptainer.core.errors import UnsupportedError
from uptainer.core.extras import how_to_install


def connect(settings: ModelSettings) -> AdviceModel:
    """The client for these settings.

    Raises:
        UnsupportedError: the optional packages are not installed; the message says how to get them.
    """
    try:
        from uptainer.advice.clients import PydanticAiModel  # noqa: PLC0415 -- an extra that few have installed
    except ModuleNotFoundError as error:
        raise UnsupportedError(
            f"the language model's client is not installed: {how_to_install('llm')}"
        ) from error
    return PydanticAiModel(settings)
