"""The compiler: a recorded function becomes a fast, readable NumPy program."""

from .compiled import Compiled, compile
from .program import Instruction, Program, Value

__all__ = ["Compiled", "Instruction", "Program", "Value", "compile"]
