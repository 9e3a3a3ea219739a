# SPDX-License-Identifier: MIT
"""How sphinx makes the reference of the Python package, from the docstrings of the package that is installed."""

import vring

project = "vring"
author = "the libvring developers"
copyright = author
release = version = vring.__version__

extensions = ["sphinx.ext.autodoc"]
html_theme = "alabaster"
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
python_maximum_signature_line_length = 100

# What is not ours has no page here; nor have base classes and type variables that nobody names.
nitpick_ignore_regex = [
    ("py:class", r"(abc|collections|enum|hypothesis|mmap|os|pathlib|subprocess)\..*"),
    ("py:class", r"vring\.(\w+\.)+(_\w+|Act|AnyDevice|AnyDriver|Entry|Filmed|Memory|Queue|Source|SplitRing|Wheel)"),
    ("py:class", "Source"),
]
