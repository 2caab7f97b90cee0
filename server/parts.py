"""The parts that services share. `server.app` makes them, and each service takes what it needs."""

from dataclasses import dataclass

from core.blobs import AddressSigner, Blobs
from core.catalog.models import Catalog
from core.catalog.prompts import Prompts
from core.process.settings import Settings
from core.store import Database
from core.store.places import Queues
from core.telling.changes import Changes
from core.tokens import Tokens
from core.webhooks import Secrets
from server.commands.read import Read
from server.fair_executor import FairExecutor
from server.mapping import Mapper
from server.validation import Validator
from server.watch.calls import WatchCalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that more than one service may use. `pool` runs the calls that block."""

    settings: Settings
    db: Database
    pool: FairExecutor
    blobs: Blobs
    signer: AddressSigner
    tokens: Tokens
    secrets: Secrets
    catalog: Catalog
    prompts: Prompts
    queues: Queues
    changes: Changes
    validator: Validator
    mapper: Mapper
    read: Read
    watch: WatchCalls
