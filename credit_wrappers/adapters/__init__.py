"""Other people's environments as true PettingZoo ParallelEnvs, with narrators: `lbf`, `rware`.

Nothing is imported here; each adapter asks for its library when an environment is made.
"""
