"""The errors that the engine raises on purpose.

The text of every one is a plain sentence for the user: what happened and what to do about it.
"""


class FunetError(Exception):
    """Base of the errors meant for the user; ``str(error)`` may be shown as it is."""


class InputError(FunetError):
    """A file, a volume, a label map or an option given by the user cannot be used."""


class ModelError(FunetError):
    """A model is unknown, damaged, unsafe to load, or does not fit the task."""


class TrainingError(FunetError):
    """Training cannot start or cannot go on, for instance because the loss diverged."""


class WorkerError(FunetError):
    """The background process could not start, died, or stopped answering."""


class Cancelled(Exception):
    """The user cancelled the job; not an error and never shown as one."""
