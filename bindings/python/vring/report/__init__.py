# SPDX-License-Identifier: MIT
"""
Reports about what compilers make of libvring: ``python -m vring.report codegen``.

Needs the extra ``report`` (``pip install vring[report]``), compilers, LLVM's tools and qemu-user; docs/codegen.md of
the sources says more, and holds the answer.
"""
