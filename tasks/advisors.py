"""Who advises: the rules, the release notes of the hosts that are named, and the language model where there is one."""

import asyncio
from dataclasses import dataclass

from blocks.advice_model import AdviceModel as AdviceModelBlock
from blocks.loading import find, load_all
from blocks.release_host import ReleaseNotesHost
from tasks.resources import database
from uptainer.advice.advisor import Advisor
from uptainer.advice.connection import connect
from uptainer.advice.consultations import Transcript
from uptainer.advice.consulting import Desk
from uptainer.advice.forges import KNOWN
from uptainer.advice.model import AdviceModel, ModelAnswer, ModelSettings
from uptainer.advice.release_notes import ReleaseReader
from uptainer.core.errors import UnsupportedError
from uptainer.fleet.ledger import SharedLedger
from uptainer.fleet.release_memory import SharedReleaseMemory


def advisor() -> Advisor:
    """With the hosts of all Release notes host blocks, and the model of the Advice model block `uptainer`."""
    named = asyncio.run(load_all(ReleaseNotesHost))
    hosts = {**KNOWN, **dict(block.entry() for _, block in sorted(named.items()))}
    releases = ReleaseReader(hosts, SharedReleaseMemory(database()))
    block = asyncio.run(find(AdviceModelBlock))
    if block is None:
        return Advisor(releases)
    chosen = block.settings()
    return Advisor(releases, Desk(_model(chosen), SharedLedger(database(), chosen.limits)))


def _model(chosen: ModelSettings) -> AdviceModel:
    try:
        return connect(chosen)
    except UnsupportedError as error:
        return _Unheard(error, chosen)


@dataclass(frozen=True, slots=True)
class _Unheard:
    """A model that is configured and whose client is not installed: the advice goes on without it, and says so."""

    reason: UnsupportedError
    settings: ModelSettings

    async def ask(self, instructions: str, question: str, transcript: Transcript) -> ModelAnswer:  # noqa: ARG002 -- nobody is asked
        raise self.reason
