"""What users may call the devices that networks are computed on; free of PyTorch, which is slow."""

from __future__ import annotations

import re

KNOWN_DEVICES = "auto, cpu, cuda, cuda:0, cuda:1 and so on"

_NAME = re.compile(r"auto|cpu|cuda(:[0-9]{1,2})?")


def is_device_name(text: str) -> bool:
    """Whether the text is one of :data:`KNOWN_DEVICES`, whether there is such a device or not."""
    return _NAME.fullmatch(text) is not None
