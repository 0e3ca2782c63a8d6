"""The one door to `viz`, the package of pictures, which stands above this one.

It is opened by name and when asked: by a notebook's display, `am.viz` and the command line. So the
library needs no pictures, and a foreign module called `viz` is refused in one place, before any of
its code runs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from .errors import ForeignModuleError

OURS: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "viz")
"""The folder beside this package, where an installation puts both."""


def viz_file() -> str | None:
    """Return the file that `import viz` gives or would give, None if there is none."""
    found = sys.modules.get("viz")
    spec = getattr(found, "__spec__", None) if found is not None else find_spec("viz")
    if spec is None:
        return getattr(found, "__file__", None)
    folders = spec.submodule_search_locations
    return spec.origin or (next(iter(folders), None) if folders else None)


def is_ours(file: str | None) -> bool:
    """Whether a file is that of the `viz` which was installed with this package."""
    return file is not None and os.path.realpath(os.path.dirname(file)) == os.path.realpath(OURS)


def import_viz() -> ModuleType:
    """Import the package `viz` that was installed with this one.

    Raises:
        ForeignModuleError: if Python finds another module of that name first; it is not run.
    """
    file = viz_file()
    if is_ours(file):
        return import_module("viz")
    if file is None:
        raise ForeignModuleError(
            f"the pictures of autograd_mini are the package viz, and there is none in "
            f"{os.path.dirname(OURS)}; install autograd-mini again"
        )
    raise ForeignModuleError(
        f"the pictures of autograd_mini are the package viz in {OURS}, but Python finds {file} "
        "first; rename that file or folder, or take its folder off sys.path (the folder of a "
        "script stands first on it)"
    )


def mimebundle(subject: object) -> dict[str, object]:
    """Return the picture of a tensor, graph, model or compiled function for a notebook's cell."""
    bundle: dict[str, object] = import_viz().mimebundle(subject)
    return bundle
