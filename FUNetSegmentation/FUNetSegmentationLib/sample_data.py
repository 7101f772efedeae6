"""The samples in Slicer's Sample Data module: a real head, and one that is generated."""

from __future__ import annotations

from typing import Any

import slicer

from .phantom import add_phantom
from .translation import tr as _

CATEGORY = "FUNetSegmentation"
PHANTOM = "FUNetSegmentationPhantom"
HEAD = "FUNetSegmentationHead"
# Slicer's own sample MRHead, under Slicer's licence: a T1-weighted head.
HEAD_SHA256 = "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"
HEAD_URL = "https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/" + HEAD_SHA256


def register_sample_data() -> None:
    """Offer the samples; call it when the application has started."""
    import SampleData

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register(
        category=CATEGORY,
        sampleName=HEAD,
        uris=HEAD_URL,
        fileNames="MR-head.nrrd",
        nodeNames="T1 head",
        checksums=f"SHA256:{HEAD_SHA256}",
    )
    register(
        category=CATEGORY,
        sampleName=PHANTOM,
        # It comes from no address, but Slicer wants a text in each of these.
        uris="",
        fileNames=f"{PHANTOM}.nrrd",
        nodeNames="Phantom head",
        customDownloader=_make_phantom,
    )


def _make_phantom(_source: Any) -> Any:
    node = add_phantom(slicer.mrmlScene, _("Phantom head"))
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node
