"""From text to judgement: prompts, answers, the ledger, providers and budgets."""
