"""Scripts: functions and values written as Python source that runs on its own.

A function of a module is imported; a lambda or a local function is written with its source and with
what it uses from around it. What cannot be written is a name with `...` and a comment that says so.
"""

from __future__ import annotations

import functools
import keyword
import sys
from types import ModuleType
from typing import Any

from ...core.source_text import reference
from .function_sources import describe_value, importable_name, names_used_by, source_of
from .values_written import value_text


class Script:
    """Source that grows by what is asked of it.

    Attributes:
        imports, definitions: lines of each.
        names: what each name stands for.
        future: whether annotations are not to be evaluated.
        complete: whether nothing was left to the reader.
    """

    def __init__(self) -> None:
        self.imports: dict[str, None] = {}
        self.definitions: list[str] = []
        self.names: dict[str, Any] = {}
        self.complete = True
        self.future = False
        self._expressions: dict[int, str] = {}

    def lines(self) -> list[str]:
        """Return imports and definitions."""
        future = ["from __future__ import annotations", ""] if self.future else []
        return [*future, *self.imports, *([""] if self.definitions else []), *self.definitions]

    def free_name(self, wanted: str) -> str:
        """Return this name, or one like it that stands for nothing yet."""
        name = wanted if wanted.isidentifier() and not keyword.iskeyword(wanted) else "x"
        while name in self.names:
            name += "_"
        return name

    def import_(self, line: str, name: str, value: Any) -> str:
        """Add an import that binds a name, and return the name."""
        self.imports[line] = None
        self.names[name] = value
        return name

    def function(self, value: Any, wanted: str) -> str:
        """Return an expression for a function; a definition gets the name that is wanted."""
        if id(value) not in self._expressions:
            for way in (
                self._write_library_name,
                self._write_partial,
                self._write_import,
                self._write_source,
            ):
                found = way(value, wanted)
                if found is not None:
                    break
            else:
                found = self.leave_to_reader(value, wanted)
            self._expressions[id(value)] = found
        return self._expressions[id(value)]

    def leave_to_reader(self, value: Any, wanted: str) -> str:
        """Leave a name to the reader."""
        name = self.free_name(wanted)
        self.names[name] = value
        self.definitions.append(f"{name} = ...  # put here {describe_value(value)}")
        self.complete = False
        return name

    def _write_library_name(self, value: Any, wanted: str) -> str | None:
        """Write a function of NumPy, SciPy or of this library."""
        found = reference(value)
        if found is not None:
            root = found[0].partition(".")[0]
            line = found[1] or ("import numpy as np" if root == "np" else "")
            if line:
                self.import_(line, root, sys.modules["numpy" if root == "np" else root])
            return found[0]
        name = getattr(value, "__name__", None)
        library = sys.modules["autograd_mini"]
        if isinstance(name, str) and vars(library).get(name) is value:
            return f"{self.import_('import autograd_mini as am', 'am', library)}.{name}"
        return None

    def _write_partial(self, value: Any, wanted: str) -> str | None:
        """Write what `functools.partial` made."""
        if type(value) is not functools.partial:
            return None
        inner = self.function(value.func, wanted)
        parts = [self.value(x) for x in value.args]
        parts += [f"{key}={self.value(x)}" for key, x in value.keywords.items()]
        self.import_("from functools import partial", "partial", functools.partial)
        return f"partial({', '.join([inner, *parts])})"

    def _write_import(self, value: Any, wanted: str) -> str | None:
        """Import a function from where a module has it."""
        place = importable_name(value)
        if place is None:
            return None
        module, name = place
        first, dot, rest = name.partition(".")
        holder = getattr(sys.modules[module], first)
        taken = first in self.names and self.names[first] is not holder
        bound = self.free_name(first) if taken else first
        line = f"from {module} import {first}" + (f" as {bound}" if bound != first else "")
        return self.import_(line, bound, holder) + dot + rest

    def _write_source(self, value: Any, wanted: str) -> str | None:
        """Write a function with its source, after what it uses."""
        source = source_of(value)
        if source is None:
            return None
        anonymous = source.startswith("lambda")
        name = self.free_name(wanted) if anonymous else value.__name__
        if name in self.names:  # a def binds its own name, and that is taken
            return None
        self._expressions[id(value)] = name
        self.names[name] = value
        for used, stands_for in names_used_by(value, source).items():
            self.define(used, stands_for)
        if anonymous:
            self.definitions.append(f"{name} = {source}")
        else:
            self.future = True  # annotations may name what is not there
            self.definitions += ["", source, ""]
        return name

    def define(self, name: str, value: Any) -> None:
        """Bind a name that a copied function uses."""
        if name in self.names:
            if self.names[name] is not value:
                self.complete = False
                self.definitions.append(f"# {name} stands for {describe_value(value)}, too")
            return
        if isinstance(value, ModuleType):
            module = value.__name__
            self.import_(
                f"import {module}" + (f" as {name}" if name != module else ""), name, value
            )
            return
        found = self.function(value, name) if callable(value) else self.value(value)
        if found != name:
            self.names[name] = value
            self.definitions.append(f"{name} = {found}")

    def value(self, value: Any) -> str:
        """Return an expression for a value."""
        if callable(value) and not isinstance(value, type):
            return self.function(value, "function")
        text = value_text(value)
        if text is None:
            return self.leave_to_reader(value, "value")
        if "np." in text:
            self.import_("import numpy as np", "np", sys.modules["numpy"])
        if "am." in text:
            self.import_("import autograd_mini as am", "am", sys.modules["autograd_mini"])
        return text
