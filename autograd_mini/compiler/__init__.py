"""The compiler: a recorded function becomes a fast, readable NumPy program."""

from .compiled import CompiledFunction, compile
from .program import Instruction, Program, Value

__all__ = ["CompiledFunction", "Instruction", "Program", "Value", "compile"]
