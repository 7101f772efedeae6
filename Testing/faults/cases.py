"""The faults that are tried: what happens, and what must come of it.

In every case also: scene, inputs and earlier models are byte for byte the same after a failure,
the user reads one plain sentence, the panel can be used again, and no process and no temporary
file is left.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        number: what ``@pytest.mark.case(number)`` names.
        what: the fault.
        must: what must happen.
        left_open: what is not tried or does not hold, and why; empty if nothing.
    """

    number: int
    what: str
    must: str
    left_open: str = ""


CASES = (
    Case(
        1,
        "A pickle as weights, also named `.safetensors`, also inside an imported archive",
        "refused; what it would have run did not run",
    ),
    Case(
        2,
        "Weights whose header is 10 GB long, not UTF-8, not JSON, or has duplicate keys, holes, "
        "overlaps, overflows",
        "refused before memory is taken",
    ),
    Case(3, "Weights cut short at each sixteenth, or with one bit flipped", "refused"),
    Case(
        4,
        "A weight that is NaN or infinite, a tensor of a wrong shape, missing, or too many",
        "refused; the tensor is named",
    ),
    Case(
        5,
        "A description with `../`, an absolute path, a link, an unknown schema, 1e9 channels; an "
        "archive with such paths or a zip bomb",
        "refused; nothing is written outside",
    ),
    Case(6, "`kill -9` at each step of saving a model", "the old or the new one, never half"),
    Case(7, "The disk is full while saving", "earlier models intact; the message names the disk"),
    Case(8, "The folder of models or results is read-only", "found before the work starts"),
    Case(
        9,
        "`kill -9` while training, then resumed",
        "equal to the bit to a training without interruption (CPU, same threads)",
    ),
    Case(
        10,
        "The worker crashes, exits, cannot start, writes a line of 5 MB or garbage",
        "reported with the end of its log; no stale result",
    ),
    Case(11, "The worker hangs; its parent dies", "the watchdog ends it; it ends by itself"),
    Case(12, "Cancel in every phase of every job", "below 2 s, memory back, not an error"),
    Case(
        13,
        "The memory of the GPU runs out",
        "the batch is halved, then the CPU takes over, and the user is told; other errors pass "
        "unchanged",
        left_open="held where the GPU is pretended and on a CPU whose memory really ends; no real "
        "GPU was at hand",
    ),
    Case(
        14,
        "No GPU, or one with a broken driver",
        "the CPU takes over, and the user is told",
        left_open="held without a GPU; the broken driver is pretended",
    ),
    Case(
        15,
        "The scene is closed, or a node deleted or renamed, during a job",
        "the result is discarded or applied rightly",
    ),
    Case(16, "The volume changes during a job", "its state at the start counts; the user is told"),
    Case(
        17,
        "Run is pressed twice; two processes use one store of models",
        "one after the other; no model lost",
    ),
    Case(18, "A volume turned by 30° in space", "the exact labels come back; nothing mirrored"),
    Case(19, "Voxels of 0.5×0.5×10 mm, thick along each axis", "the exact labels come back"),
    Case(20, "Left-handed and flipped axes", "the exact labels come back; nothing mirrored"),
    Case(
        21,
        "Axes that are not at right angles; a grid transform",
        "right in the world, or refused where nothing is right",
    ),
    Case(22, "A linear transform above the volume", "image and segmentation aligned in the world"),
    Case(
        23,
        "One slice; 1×N, 3×3, 4097×4097 pixels; sides that 16 does not divide",
        "works, or the limit is named",
    ),
    Case(24, "A 4-D, vector, RGB or empty volume", "refused clearly"),
    Case(
        25,
        "Voxels of 8, 16 and 32 bits without a fraction, of 64 bits with one, big-endian",
        "the labels of the same volume in 32-bit floats",
    ),
    Case(
        26,
        "Voxels that are NaN or infinite, a constant image, one voxel of 1e30",
        "finite results, their number told, the structure still found",
    ),
    Case(
        27,
        "An image file cut short, with a wrong beginning, of 377 bytes that claim 18 GB, or with "
        "two geometries that differ",
        "a clear refusal in little memory",
    ),
    Case(
        28,
        "An empty segmentation; a segment that no slice shows",
        "training refuses and names it",
    ),
    Case(
        29,
        "Segments that overlap, are hidden or renamed; label values with gaps",
        "told; known by their ids; nothing flattened silently",
    ),
    Case(
        30,
        "A segmentation of another extent or voxel size",
        "resampled rightly, or refused",
    ),
    Case(
        31,
        "No, one, empty and later edited corrected slices; the scene saved and opened again",
        "refused, works, works, read again; the states come back",
    ),
    Case(32, "A learning rate of 1000", "training stops; nothing is published"),
    Case(
        33,
        "é, 中文, emoji, spaces, quotes and very long paths; decimal commas, Turkish and Arabic",
        "works",
    ),
    Case(
        34,
        "50 files with a corrupt one, killed half-way, run again",
        "49 done, 1 reported, none twice, none half-written",
    ),
)
