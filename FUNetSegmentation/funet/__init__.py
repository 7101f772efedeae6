"""FU-net: feedback-weighted U-nets for multi-class segmentation of medical images.

The engine behind the FUNetSegmentation extension of 3D Slicer. It depends on PyTorch, numpy,
SimpleITK and safetensors, never on Slicer.
"""

__version__ = "0.1.0"
