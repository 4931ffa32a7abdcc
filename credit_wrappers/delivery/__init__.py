"""From credit to the learner: when and how it is paid."""
