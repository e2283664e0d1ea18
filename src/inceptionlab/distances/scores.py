"""The Inception Score: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016 (1606.03498)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SPLITS = 10
SEED = 2020
"""torch-fidelity's seed, which orders the images before they are split."""
CHUNK = 4096


def inception_score(features: Float[Tensor, "n d"], classifier: Float[Tensor, "c d"]) -> tuple[float, float]:
    """(mean, standard deviation) over splits of exp(E KL(p(y|x) ‖ p(y))), in float64.

    The logits are the features times the classifier's weights without its bias, as in the first implementation and in
    torch-fidelity. Images are fewer than the splits in no split: there are then as many splits as images.
    """
    n, splits = len(features), min(SPLITS, len(features))
    order = torch.from_numpy(np.random.RandomState(SEED).permutation(n))
    scores = [_of_split(features[order[i * n // splits : (i + 1) * n // splits]], classifier) for i in range(splits)]
    return float(np.mean(scores)), float(np.std(scores))


def _of_split(features: Tensor, classifier: Tensor) -> float:
    """The exponential of the mutual information: the marginal's entropy less the mean entropy."""
    total = torch.zeros(len(classifier), dtype=torch.float64)
    negative_entropy = torch.zeros((), dtype=torch.float64)
    for part in torch.split(features, CHUNK):
        log_p = torch.mm(part.double(), classifier.double().T).log_softmax(1)
        total += log_p.exp().sum(0)
        negative_entropy += (log_p.exp() * log_p).sum()
    q = total / len(features)
    return (negative_entropy / len(features) - torch.xlogy(q, q).sum()).exp().item()
