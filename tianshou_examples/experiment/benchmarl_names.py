"""BenchMARL's algorithms and the settings that they are trained with here, by name; importing it needs no BenchMARL."""

ALGORITHMS = ("mappo", "ippo", "qmix", "vdn", "iql")
SETTINGS = ("published", "ours", "fast")
