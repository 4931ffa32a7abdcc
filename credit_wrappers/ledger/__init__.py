"""The ledger: one SQLite file with every question to a model, every answer and what was made of it.

It serves resuming (a request that was answered is answered from here), replay, cost, audit and publication. It
holds no key of any service.
"""

from .book import Ledger
from .entry import JudgedEpisode, LedgerEntry

__all__ = ["JudgedEpisode", "Ledger", "LedgerEntry"]
