"""Data sets of labelled episodes: saved, loaded, described, and the ones that come with the package.

from credit_wrappers import dataset
labels = dataset.load("duet-claude")  # judgements of a strong language model
dataset.save("mine-v0", labels, card=dataset.DatasetCard(world="spaceworld:duet"))
"""

from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.loading import iterate, load, load_card
from credit_wrappers.dataset.published import published_names
from credit_wrappers.dataset.recorded_play import Recording, recorded
from credit_wrappers.dataset.replaying import replayed
from credit_wrappers.dataset.saving import save

__all__ = [
    "DatasetCard",
    "Recording",
    "iterate",
    "load",
    "load_card",
    "published_names",
    "recorded",
    "replayed",
    "save",
]
