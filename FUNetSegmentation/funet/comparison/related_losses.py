"""The losses that the FU-net paper measures itself against in words, for rows of a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import FunetError
from ..images.segmentations import IGNORE_LABEL


class FocalLoss(nn.Module):
    """MONAI's focal loss with softmax, averaged over the pixels that are not ignored.

    The loss of a pixel is −(1 − p)^γ · log p with the probability p of its true class. (MONAI's
    own mean also divides by the number of classes.)

    Source: Lin et al., "Focal loss for dense object detection", ICCV 2017, equation (4).

    Args:
        gamma: exponent γ on 1 − p; 2 in the focal loss paper.

    Raises:
        FunetError: if MONAI is missing.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        try:
            from monai.losses import FocalLoss as MonaiFocalLoss
        except ImportError as error:
            raise FunetError(
                "The focal loss comes from MONAI, which is not installed; "
                'install it with: pip install "funet[research]".'
            ) from error
        self.gamma = gamma
        self._focal = MonaiFocalLoss(
            gamma=gamma, to_onehot_y=True, use_softmax=True, reduction="none"
        )

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, *size) against labels (N, *size), as a scalar."""
        counted = target != IGNORE_LABEL
        labels = torch.where(counted, target, 0).unsqueeze(1)
        loss: Tensor = self._focal(logits.float(), labels).sum(1)
        return torch.where(counted, loss, 0.0).sum() / counted.sum().clamp_min(1)

    def extra_repr(self) -> str:
        """The settings, for ``print(module)``."""
        return f"gamma={self.gamma}"


class ClassFrequencyLoss(nn.Module):
    """Cross-entropy in which every class of a batch weighs the same, however many pixels it has.

    A pixel of class c weighs n / (C · n_c), with n pixels of C classes in the batch, n_c of them
    of class c; a batch of whole slices has nearly the frequencies of the training set.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, R, C) against labels (N, R, C), as a scalar."""
        counts = torch.bincount(target[target != IGNORE_LABEL], minlength=logits.shape[1])
        weight = torch.where(counts > 0, 1.0 / counts.clamp_min(1), 0.0)
        if not counts.any():
            return logits.sum() * 0.0
        return F.cross_entropy(logits.float(), target, weight=weight, ignore_index=IGNORE_LABEL)


class HardExampleLoss(nn.Module):
    """Cross-entropy averaged over the hardest pixels of each batch only.

    Source: Shrivastava, Gupta, Girshick, "Training region-based object detectors with online hard
    example mining", CVPR 2016, with pixels for regions.

    Args:
        share: share of the pixels that counts.
    """

    def __init__(self, share: float = 0.1) -> None:
        super().__init__()
        self.share = share

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, R, C) against labels (N, R, C), as a scalar."""
        losses = F.cross_entropy(
            logits.float(), target, ignore_index=IGNORE_LABEL, reduction="none"
        )[target != IGNORE_LABEL]
        if not len(losses):
            return logits.sum() * 0.0
        return losses.topk(max(1, round(self.share * len(losses)))).values.mean()

    def extra_repr(self) -> str:
        """The settings, for ``print(module)``."""
        return f"share={self.share}"


class BorderWeightedLoss(nn.Module):
    """Cross-entropy that weighs more where two structures are near each other.

    A pixel weighs 1 + w0 · exp(−(d1 + d2)² / 2σ²), with the distances d1 and d2 in pixels to the
    borders of the nearest and second nearest structure of its slice; where only one structure is
    shown, d2 = d1.

    Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional networks for biomedical image
    segmentation", MICCAI 2015, equation (2), without its class weights.

    Args:
        strength: w0; 10 in the U-net paper.
        width: σ in pixels; 5 in the U-net paper.

    Raises:
        FunetError: if SciPy is missing.
    """

    def __init__(self, strength: float = 10.0, width: float = 5.0) -> None:
        super().__init__()
        try:
            from scipy import ndimage
        except ImportError as error:
            raise FunetError(
                "The border weights need SciPy, which is not installed; "
                'install it with: pip install "funet[research]".'
            ) from error
        self.strength = strength
        self.width = width
        self._ndimage: Any = ndimage

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, R, C) against labels (N, R, C), as a scalar."""
        counted = target != IGNORE_LABEL
        weight = torch.from_numpy(np.stack([self.weights(one) for one in target.cpu().numpy()]))
        losses = F.cross_entropy(
            logits.float(), target, ignore_index=IGNORE_LABEL, reduction="none"
        )
        return (losses * weight.to(losses.device)).sum() / counted.sum().clamp_min(1)

    def weights(self, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the weights of one slice (R, C) of labels, float32 of the same shape."""
        shown = [value for value in np.unique(labels) if value not in (0, IGNORE_LABEL)]
        if not shown:
            return np.ones(labels.shape, np.float32)
        distances = np.sort([self._to_border(labels == value) for value in shown], axis=0)
        both = distances[0] + distances[min(1, len(shown) - 1)]
        near = np.exp(-(both**2) / (2 * self.width**2))
        weight: NDArray[np.float32] = (1 + self.strength * near).astype(np.float32)
        return weight

    def extra_repr(self) -> str:
        """The settings, for ``print(module)``."""
        return f"strength={self.strength}, width={self.width}"

    def _to_border(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Distance of every pixel to the border between a mask and the rest, at least 0.5."""
        distance = self._ndimage.distance_transform_edt
        outside: NDArray[np.float64] = np.where(mask, distance(mask), distance(~mask)) - 0.5
        return outside
