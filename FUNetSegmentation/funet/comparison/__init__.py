"""Comparing networks and losses on the same slices, as in Table 1 of the FU-net paper.

Source: Jafari et al., "FU-net: Multi-class Image Segmentation Using Feedback Weighted U-net",
ICIG 2019, section 3.
"""
