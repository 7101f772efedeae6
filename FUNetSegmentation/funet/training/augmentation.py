"""Random changes of shape, contrast and quality that make a few training slices go further."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.segmentations import IGNORE_LABEL


@dataclass(frozen=True)
class Augmentation:
    """How far images are changed; every size is the largest change that can be drawn.

    Attributes:
        rotation: degrees, either way.
        scale: relative change of size; 0.2 draws factors between 1/1.2 and 1.2.
        shear: tangent of the shear angle.
        translation: share of the image side.
        elastic: displacement of a coarse elastic field, as a share of the image side.
        flip: whether left and right may be exchanged.
        gamma: relative change of the gamma exponent.
        contrast: relative change of the deviation.
        brightness: shift in standard deviations.
        bias: logarithm of a smooth multiplicative field, as of a receive coil.
        noise: deviation of added white noise, in standard deviations.
        blur: coarsest resolution, as a factor on the pixel size; 1 leaves the image sharp.
        probability: chance that an image gets each of the intensity changes.
    """

    rotation: float = 15.0
    scale: float = 0.2
    shear: float = 0.1
    translation: float = 0.05
    elastic: float = 0.02
    flip: bool = False
    gamma: float = 0.4
    contrast: float = 0.25
    brightness: float = 0.2
    bias: float = 0.3
    noise: float = 0.15
    blur: float = 2.0
    probability: float = 0.4

    def __call__(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return changed copies of a batch.

        Args:
            images: float (N, channels, rows, columns).
            labels: uint8 (N, rows, columns); what moves in from outside the image is ignored.
            generator: the source of every random number, on the CPU.
        """
        images, labels = self._move(images, labels, generator)
        return self._recolour(images, generator), labels

    def _move(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        grid = self._grid(images, generator).to(images.device)
        moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        # Labels are shifted so that the zeros from outside the image become "ignored".
        shifted = ((labels.int() + 1) % 256).float().unsqueeze(1)
        nearest = F.grid_sample(shifted, grid, mode="nearest", align_corners=False)
        outside = (grid.abs() > 1).any(-1)
        back = ((nearest.squeeze(1).round().int() - 1) % 256).to(torch.uint8)
        return moved, back.masked_fill(outside, IGNORE_LABEL)

    def _grid(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, _, rows, columns = images.shape
        angle = math.radians(self.rotation) * _signed(count, generator)
        size = (1 + self.scale) ** _signed(count, generator)
        shear = self.shear * _signed(count, generator)
        mirror = torch.ones(count)
        if self.flip:
            mirror -= 2 * (torch.rand(count, generator=generator) < 0.5).float()
        cos, sin = size * torch.cos(angle), size * torch.sin(angle)
        # grid_sample measures in image sides, so rotation in pixels needs the aspect ratio.
        aspect = rows / columns
        matrix = torch.stack(
            [
                torch.stack([cos * mirror, (shear * cos - sin) * aspect], 1),
                torch.stack([sin * mirror / aspect, shear * sin + cos], 1),
            ],
            1,
        )
        shift = 2 * self.translation * _signed(2 * count, generator).view(count, 2, 1)
        grid = F.affine_grid(
            torch.cat([matrix, shift], 2), [count, 1, rows, columns], align_corners=False
        )
        bend = 2 * self.elastic * _signed(count * 2 * 25, generator).view(count, 2, 5, 5)
        smooth = F.interpolate(bend, (rows, columns), mode="bicubic", align_corners=True)
        return grid + smooth.permute(0, 2, 3, 1)

    def _recolour(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, device = len(images), images.device

        def sometimes(strength: float) -> Tensor:
            """Random numbers of either sign, zero for the images that are left as they are."""
            drawn = strength * _signed(count, generator)
            kept = torch.rand(count, generator=generator) < self.probability
            return (drawn * kept).view(-1, 1, 1, 1).to(device)

        images = _blur(images, 1 + sometimes(self.blur - 1).abs())
        low, high = (limit(dim=(1, 2, 3), keepdim=True) for limit in (images.amin, images.amax))
        span = (high - low).clamp_min(1e-6)
        exponent = (1 + self.gamma) ** sometimes(1.0)
        images = ((images - low) / span).clamp(0, 1) ** exponent
        field = sometimes(self.bias) * _smooth_field(images, generator)
        images = images * torch.exp(field) * span + low
        images = images * (1 + sometimes(self.contrast)) + sometimes(self.brightness)
        grain = torch.randn(images.shape, generator=generator).to(device)
        return images + grain * sometimes(self.noise).abs()


def _signed(count: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(count, generator=generator) - 1


def _smooth_field(images: Tensor, generator: torch.Generator) -> Tensor:
    coarse = _signed(len(images) * 16, generator).view(-1, 1, 4, 4).to(images.device)
    return F.interpolate(coarse, images.shape[2:], mode="bicubic", align_corners=True)


def _blur(images: Tensor, factors: Tensor) -> Tensor:
    """Throw away detail finer than each image's factor, as a coarser acquisition would."""
    blurred = images.clone()
    for index, factor in enumerate(factors.flatten().tolist()):
        if factor > 1.05:
            size = [max(1, round(side / factor)) for side in images.shape[2:]]
            one = images[index : index + 1]
            small = F.interpolate(one, size, mode="bilinear", antialias=True)
            blurred[index] = F.interpolate(small, images.shape[2:], mode="bilinear")[0]
    return blurred
