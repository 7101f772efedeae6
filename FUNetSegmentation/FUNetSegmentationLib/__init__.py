"""The Slicer side of the extension: nodes of the scene, background jobs, workflow and panel."""

import sys

# Said here, before anything is imported that an older Python cannot even read.
if sys.version_info < (3, 11):  # noqa: UP036 (Slicer does not read pyproject.toml)
    raise ImportError(
        "FU-net Segmentation needs a 3D Slicer with Python 3.11 or later, such as 3D Slicer 5.10; "
        f"this one has Python {sys.version_info[0]}.{sys.version_info[1]}."
    )
