"""The ledger: one SQLite file with every question to a model, every answer and the credit read from it.

It is there for resuming (a repeated question is answered from it), replay, cost, audit and publication. It holds no
key of any service.
"""
