"""The compiler: a recorded function becomes a fast, readable NumPy program.

The stages, in the order in which `pipeline.compile_call` runs them:

1. `trace` notes the operations of a call; `observe`, `reach` and `guards` note what the code read.
2. `comparison` checks that two calls recorded the same program.
3. `passes` make the program smaller and faster; one of them packs many scalars into vectors.
4. `memory` plans where each value lives.
5. `source` writes a module of NumPy; `expressions` writes one instruction of it.
6. `executable` runs the module, with the memory that it works in.

`compiled` is what the user holds: it looks up which program a call may use.
"""

from .compiled import CompiledFunction, compile
from .program import Instruction, Program, Value

__all__ = ["CompiledFunction", "Instruction", "Program", "Value", "compile"]
