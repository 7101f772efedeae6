"""The numbers of the FU-net paper that the results page shows beside ours."""

from __future__ import annotations

from fractions import Fraction

from funet.evaluation.tables import Table

SOURCE = (
    "M. Jafari, R. Li, Y. Xing, D. Auer, S. Francis, J. Garibaldi, X. Chen: FU-net, ICIG 2019, "
    "[doi 10.1007/978-3-030-34110-7_44](https://doi.org/10.1007/978-3-030-34110-7_44)"
)
SUBJECTS = 102
IMAGES = 310
SLICES_PER_SUBJECT = "3 or 4"
EPOCHS = 400
ITERATIONS_PER_EPOCH = {200: 40, 100: 20, 50: 10}

TABLE = Table(
    ("train/test", "system", "midbrain", "substantia nigra"),
    (
        ("200/100", "U-net", "0.9000±0.03", "0.7095±0.17"),
        ("200/100", "BRU-net", "0.8775±0.14", "0.7164±0.18"),
        ("200/100", "FU-net", "0.8929±0.05", "0.7563±0.15"),
        ("100/200", "U-net", "0.8584±0.18", "0.7022±0.18"),
        ("100/200", "BRU-net", "0.8550±0.16", "0.7005±0.15"),
        ("100/200", "FU-net", "0.8710±0.15", "0.7575±0.16"),
        ("50/250", "U-net", "0.8135±0.19", "0.4831±0.26"),
        ("50/250", "BRU-net", "0.8088±0.15", "0.6387±0.17"),
        ("50/250", "FU-net", "0.8182±0.20", "0.7087±0.24"),
    ),
)
TESTS = Table(
    ("systems", "structure", "200/100", "100/200", "50/250"),
    (
        ("BRU-net, FU-net", "midbrain", "0.1260", "0.6062", "0.3138"),
        ("BRU-net, FU-net", "substantia nigra", "0.0026", "<0.0001", "<0.0001"),
        ("U-net, BRU-net", "midbrain", "0.0589", "0.6050", "0.5725"),
        ("U-net, BRU-net", "substantia nigra", "0.6086", "0.8706", "<0.0001"),
    ),
)


def share_of_iterations(epochs: int, per_epoch: int, images: int) -> Fraction | None:
    """How much of the paper's iterations a training does; ``None`` for a size it does not have."""
    if images not in ITERATIONS_PER_EPOCH:
        return None
    return Fraction(epochs * per_epoch, EPOCHS * ITERATIONS_PER_EPOCH[images])
