"""The compiler: a recorded function becomes a fast, readable NumPy program.

The stages, in the order in which `pipeline.compile_call` runs them:

1. `trace` notes the operations of a call; `observe`, `reach` and `guards` note what the code read.
2. `comparison` checks that two calls recorded the same program.
3. `passes` make the program smaller and faster; `scalars` does so where it has many scalars.
4. `memory` plans where each value lives.
5. `source` writes a module of NumPy; `writer` and `expressions` write one instruction of it.
6. `executable` runs the module, with the memory that it works in.

`compiled` is what the user holds: it looks up which program a call may use.
"""

from .compiled import CompiledFunction, compile
from .program import Instruction, Program, Value

__all__ = ["CompiledFunction", "Instruction", "Program", "Value", "compile"]
