"""The scans of handwritten digits that scikit-learn ships."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from inceptionlab.data.dataset import DataSet, array_set
from inceptionlab.data.split import stratified
from inceptionlab.errors import DataError

CLASSES = tuple("0123456789")
SIDE = 32


def digits() -> DataSet:
    """The 1,797 scans, resized to 32x32; 20 % are the test set.

    Raises `DataError` where scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError("the digits come with scikit-learn, which is not installed: pip install scikit-learn") from None
    scans, labels = cast(Any, datasets).load_digits(return_X_y=True)
    small = (np.asarray(scans).reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    resized = [Image.fromarray(scan).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for scan in small]
    samples = array_set(np.stack([np.asarray(one) for one in resized]), np.asarray(labels), CLASSES)
    rest, part = stratified(torch.as_tensor(labels, dtype=torch.int64), 0.2, seed=0)
    return DataSet("digits", samples.subset(rest), samples.subset(part), size=SIDE, note="test: 20 % by seed 0")
