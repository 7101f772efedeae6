"""Translation of texts that users see, in every version of 3D Slicer.

Use it as ``from ..translation import tr as _`` and mark whole sentences:
``_("The volume {name} has no voxels.").format(name=name)``.
"""

from __future__ import annotations

import functools
import sys

try:
    from slicer.i18n import getContext, translate
except ImportError:  # before Slicer 5.4, and outside the application

    def tr(text: str) -> str:
        """Return the text in the user's language, here always as it is."""
        return text

    def translate(context: str, text: str) -> str:  # noqa: ARG001
        """Return the text of another context in the user's language, here always as it is."""
        return text

else:
    _context_of_file = functools.cache(getContext)

    def tr(text: str) -> str:
        """Return the text in the user's language.

        Slicer's own ``tr`` looks through the whole call stack to find the file of its caller, which
        takes milliseconds for each text.
        """
        return translate(_context_of_file(sys._getframe(1).f_code.co_filename), text)


__all__ = ["tr", "translate"]
