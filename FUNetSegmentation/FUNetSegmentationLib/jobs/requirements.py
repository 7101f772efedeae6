"""What must be installed before the first job, and installing it with Slicer's own tools."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from funet.errors import Cancelled, WorkerError
from funet.progress import Progress, ProgressCallback

from ..translation import tr as _

REQUIREMENTS_FILE = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
EXTENSION = "FUNetSegmentation"

_LINE = re.compile(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?\s*")


@dataclass(frozen=True)
class Requirement:
    """A Python package that the background process imports.

    Attributes:
        name: of the package; it is imported under the same name.
        version: the lowest that will do; empty for any.
    """

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}>={self.version}" if self.version else self.name

    @property
    def installed(self) -> bool:
        """Whether the package is there, without importing it."""
        spec = _spec(self.name)
        return spec is not None and spec.origin is not None

    @property
    def satisfied(self) -> bool:
        """Whether the package is there, whole, and new enough, without importing it.

        Unfinished installations leave folders without a version, which Python would import as an
        empty package.
        """
        try:
            found = importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return False
        return self.installed and _numbers(found) >= _numbers(self.version)


TORCH = Requirement("torch", "2.4")


def missing() -> list[Requirement]:
    """Return what has to be installed, PyTorch first; empty if all is there."""
    importlib.invalidate_caches()  # an installation may have happened a moment ago
    others = [requirement for requirement in listed() if not requirement.installed]
    return others if TORCH.satisfied else [TORCH, *others]


def listed(path: Path = REQUIREMENTS_FILE) -> list[Requirement]:
    """Return the packages that the requirements file names.

    Raises:
        WorkerError: if a line is anything else than a name with a lowest version, or the file
            cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise WorkerError(
            _("{path} is missing; install the extension again.").format(path=path)
        ) from error
    requirements = []
    for line in lines:
        text = line.split("#")[0].strip()
        match = _LINE.fullmatch(text)
        if text and match is None:
            raise WorkerError(
                _("{path} is damaged at “{line}”; install the extension again.").format(
                    path=path, line=text
                )
            )
        if match is not None:
            requirements.append(Requirement(match[1], match[2] or ""))
    return requirements


def require_installed() -> None:
    """Refuse to begin a job that cannot succeed.

    Raises:
        WorkerError: naming what is missing and how to install it.
    """
    names = ", ".join(requirement.name for requirement in missing())
    if names:
        raise WorkerError(
            _(
                "{names} must be installed first: press Install in the panel, or call "
                "installRequirements()."
            ).format(names=names)
        )


def install(on_progress: ProgressCallback | None = None) -> None:
    """Install what is missing: PyTorch by the extension of that name, the rest with pip.

    Call it on the main thread; it returns when all is there, and shows Slicer's own questions and
    progress.

    Args:
        on_progress: told before each part.

    Raises:
        Cancelled: if the user declines.
        WorkerError: if something could not be installed.
    """
    report = on_progress or _nobody
    wanted = missing()
    if TORCH in wanted:
        report(Progress(0.0, _("Installing PyTorch")))
        _install_torch()
    others = [str(requirement) for requirement in wanted if requirement != TORCH]
    if others:
        names = ", ".join(others)
        report(Progress(0.8, _("Installing {names}").format(names=names)))
        _translate_failures(_installer(), others, names=names)
    report(Progress(1.0, _("Installed")))
    if still := missing():
        raise WorkerError(
            _("{names} could not be installed; look into Slicer's log for the reason.").format(
                names=", ".join(map(str, still))
            )
        )


def _install_torch() -> None:
    try:
        extension = importlib.import_module("PyTorchUtils")
    except ModuleNotFoundError as error:
        raise WorkerError(
            _(
                "PyTorch is needed: install the extension “PyTorch” in Slicer's Extensions "
                "Manager, restart Slicer, and press Install again."
            )
        ) from error

    def install_torch() -> None:
        torch = extension.PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=f">={TORCH.version}"
        )
        if torch is None:  # the answer to the question was no
            raise Cancelled

    _translate_failures(install_torch, names=str(TORCH))


def _installer() -> Callable[[list[str]], Any]:
    """Return what installs a list of packages in this version of Slicer."""
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ModuleNotFoundError:  # before 5.12
        return importlib.import_module("slicer.util").pip_install
    parsed = importlib.import_module("packaging.requirements").Requirement

    def ensure(names: list[str]) -> Any:
        wanted = [parsed(name) for name in names]
        return packaging.pip_ensure(wanted, prompt_install=False, requester=EXTENSION)

    return ensure


def _translate_failures(call: Callable[..., object], *arguments: object, names: str = "") -> None:
    try:
        call(*arguments)
    except (CalledProcessError, RuntimeError, OSError, ValueError, ImportError) as error:
        # What pip, the extension and Slicer raise when the network or the disk fails.
        raise WorkerError(
            _("{names} could not be installed ({reason}); try again when online.").format(
                names=names, reason=str(error)[:200]
            )
        ) from error


def _spec(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a module that somebody half removed from memory
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def _nobody(_progress: Progress) -> None:
    return
