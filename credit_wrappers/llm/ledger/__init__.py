"""The ledger: one SQLite file with every question to a model, every answer and what was made of it.

It serves resuming (a request that was answered is answered from here), replay, cost, audit and publication. It
holds no key of any service.
"""

from credit_wrappers.llm.ledger.entry import JudgedEpisode, LedgerEntry
from credit_wrappers.llm.ledger.ledger import Ledger

__all__ = ["JudgedEpisode", "Ledger", "LedgerEntry"]
