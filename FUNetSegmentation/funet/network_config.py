"""What a network is made of, known without PyTorch: a model can be listed where it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from .configuration import Range, StrictConfig
from .errors import InputError

MAX_LEVEL_CHANNELS = 1024
"""Widest level that may be built, about 90 million weights in 3-D: a bound on what a file asks."""


@dataclass(frozen=True)
class NetworkConfig(StrictConfig):
    """What a network is made of; with the weights it is the whole network.

    Attributes:
        in_channels: channels of the images.
        num_classes: classes of the result, the background included.
        features: channels of the first level; they double with every level.
        depth: number of levels.
        dropout: share of the elements that is dropped: after each block's first activation
            without batch normalisation, before the last convolution with it. Dropout before a
            batch normalisation would spoil its statistics (Li et al., CVPR 2019).
        residual: whether a shortcut leads around each pair of convolutions.
        normalisation: ``"batch"`` normalises after each convolution of a pair.
        spatial_dims: 2 for slices, 3 for volumes.

    Raises:
        InputError: if a value has the wrong type or is out of its range.
    """

    title: ClassVar[str] = "network"

    in_channels: Annotated[int, Range(1, 64)]
    num_classes: Annotated[int, Range(2, 254)]
    features: Annotated[int, Range(1, MAX_LEVEL_CHANNELS)] = 16
    depth: Annotated[int, Range(2, 7)] = 5
    dropout: Annotated[float, Range(0.0, 0.9)] = 0.25
    residual: bool = True
    normalisation: Literal["batch", "none"] = "batch"
    spatial_dims: Literal[2, 3] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level_channels[-1] > MAX_LEVEL_CHANNELS:
            raise InputError(
                f"A network of {self.features} features and {self.depth} levels would have "
                f"{self.level_channels[-1]} channels in its last level; at most "
                f"{MAX_LEVEL_CHANNELS} are allowed, so choose fewer features or levels."
            )

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of each level, from the finest to the coarsest."""
        return tuple(self.features * 2**level for level in range(self.depth))

    @property
    def size_multiple(self) -> int:
        """Images whose sides are multiples of this need no padding."""
        return int(2 ** (self.depth - 1))
