"""All prose of the results page.

No number stands here: those of our results come from the result files, those of the paper from
``results_paper.py``. Text in braces is filled in.
"""

from __future__ import annotations

INTRODUCTION = """\
Everything on this page, its figures but those that show images included, is made by `make results`
from the result files beside it, which carry command, seeds, versions, machine and date. Do not
edit it: what the authors make of a result stands in `<result>.remarks.md` and is included word for
word.

Dice is the overlap of a segmentation with its reference, from none to full. *silver* labels are
the consensus of atlases registered to each head, not an expert's drawing: Dice against them says
how well a model reproduces that labelling."""

MODELS = "Dice per subject on data that the models never saw: mean and standard deviation."
CARD = "[Model card]({link})."

DICE_TABLE = """\
**Table.** Dice of {structures} on single test images after learning from {sizes} images: mean ±
standard deviation, each image with its mean over {seeds}. A system is a network and a loss; minutes
are of all trainings of a row together."""
TESTS_TABLE = """\
**Table.** Paired tests of two systems after learning from {sizes} images, {seeds}: p-values, and
the mean difference of Dice, the second system minus the first. Images of one subject are not
independent of each other, so the tests over subjects are the ones to trust. They allow for other
subjects, not for other seeds: each image has its mean over those that were run."""
BOX_FIGURE = """\
**Figure.** Dice of {structures} on the test images after learning from {sizes} images, {seeds}: box
from the lower to the upper quartile with the median, whiskers to the farthest image within one and
a half times the height of the box."""
EXAMPLES_FIGURE = """\
**Figure.** {structures} in slices of test subjects, systems of seed {first_seed}: image, reference,
and the labels of every system; only the part of a slice around all labels is shown."""
REPORT_FIGURE = "**Figure.** {title}."
# Of reports by the beginning of their names.
FIGURES = {
    "worklist": "{title}: how well each doubt ranks the slices by their errors (a point is a "
    "subject), mean Dice while slices are corrected in several orders, and how many slices each "
    "order needs",
    "corrections": "{title}: mean Dice of slices that were never corrected, in the same volume and "
    "in others, against the number of corrected slices, and against the time of a retraining",
    "ablation": "{title}: with each part left out or changed, mean Dice of slices that were never "
    "corrected, that of other volumes, and what is forgotten",
    "from": "{title}: mean Dice against the number of annotated slices",
    "own": "{title}: mean Dice of slices that were never corrected, that of other volumes, and "
    "what is forgotten",
    "slices": "{title}: corrected slices by the order in which they are taken, with Retrain and "
    "without",
}
SHIPPED_MODEL = "Measured with the model that ships."
OTHER_WEIGHTS = "**Measured with other weights than those that ship now.**"
OTHER_RULES = (
    "**Measured with the weights that ship, when labels were made from them in another way.**"
)

PAPER_TITLE = "The paper's own numbers"
PAPER_TABLE = """\
**Table.** Table 1 of the paper, measured on its authors' own data, which are private. Source:
{source}."""
PAPER_TESTS = "**Table.** Paired t-tests over test images in the paper, p-values. Same source."
# A sentence is left out where a fact that it needs is not known.
PAPER_DIFFERENCES = (
    "How this differs from the paper:",
    "{images} slices of {subjects} subjects take part, at most {per_subject} of each, instead of "
    "{paper_images} of {paper_subjects}, {paper_per_subject} of each.",
    "Whole subjects go to training, validation or test, where the paper splits single images, so "
    "that slices of one head can be on both sides.",
    "Of each slice, only the middle {middle}×{middle} pixels are used.",
    "Pixels measure {spacing} mm.",
    "Every system alike learns for {share} of the paper's iterations.",
    "U-net drops out after the first activation of each of its nine blocks, BRU-net and FU-net "
    "once, before the last convolution, as dropout spoils the statistics of a batch normalisation; "
    "so they differ in that as well.",
    "Our labels are silver, where a radiologist drew the paper's.",
)

DEMO = "**Table.** What `make demo` prints, on slices that nobody annotated."
DEMO_FIGURE = "**Figure.** What `make demo` draws."

FILES = "Files: {links}."

# Headings of the comparisons by folder, and of reports that have none by the name of their file.
TITLES = {
    "compare_midbrain": "Midbrain and substantia nigra",
    "compare_midbrain_whole_slices": "Midbrain and substantia nigra, whole slices",
    "practice_midbrain": "With augmentation and a Dice term: midbrain and substantia nigra",
    "practice_hippocampus": "With augmentation and a Dice term: hippocampus",
    "losses_midbrain": "Losses on midbrain and substantia nigra",
    "losses_hippocampus": "Losses on the hippocampus",
    "compare_hippocampus": "Hippocampus, anterior and posterior part",
    "compare_acdc": "Heart: ventricles and myocardium",
    "cross_validation_hippocampus-t1": "Hippocampus, anterior and posterior part",
    "corrections_hippocampus-t1_contrast": "Corrections on an inverted contrast (hippocampus)",
    "corrections_hippocampus-t1_scanner": "Corrections on another scanner (hippocampus)",
    "corrections_midbrain-t1_scanner": "Corrections on another scanner (midbrain and substantia "
    "nigra)",
    "ablation_hippocampus-t1_contrast": "Parts of a retraining (hippocampus, inverted contrast)",
    "from_nothing_hippocampus": "From nothing (hippocampus)",
    "own_models_hippocampus": "Corrections of a model of one's own (hippocampus)",
    "slices_to_target_hippocampus-t1_contrast": "Slices until the volume is good enough "
    "(hippocampus, inverted contrast)",
    "slices_to_target_hippocampus-t1_scanner": "Slices until the volume is good enough "
    "(hippocampus, another scanner)",
    "slices_to_target_midbrain-t1_scanner": "Slices until the volume is good enough "
    "(midbrain and substantia nigra, another scanner)",
    "faults": "Cases",
}
_MIDBRAIN = "T1 brain MRI of OpenNeuro ds002748, CC0, and OpenfMRI ds011, PDDL, with silver labels"
_TRAINING_SITE = "T1 brain MRI of OpenNeuro ds002748, CC0, with silver labels"
_HIPPOCAMPUS = "T1 MRI of Medical Segmentation Decathlon Task04, CC BY-SA 4.0, with experts' labels"
SOURCES = {
    "compare_midbrain": _MIDBRAIN,
    "compare_midbrain_whole_slices": _TRAINING_SITE,
    "losses_midbrain": _MIDBRAIN,
    "practice_midbrain": _MIDBRAIN,
    "practice_hippocampus": _HIPPOCAMPUS,
    "losses_hippocampus": _HIPPOCAMPUS,
    "compare_hippocampus": _HIPPOCAMPUS,
    "compare_acdc": "cine MRI of the ACDC challenge, for research only, with experts' labels",
}
