# SPDX-License-Identifier: MIT
# The extension module that cffi generates from the headers. What it holds is typed by the C compiler, not by mypy.
from typing import Any

ffi: Any
lib: Any
