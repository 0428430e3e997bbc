"""The LLVM backend: Wengert lists as machine code for this processor."""

from .program import NativeProgram as NativeProgram
from .program import compile_program as compile_program
