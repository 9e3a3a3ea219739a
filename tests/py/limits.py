# SPDX-License-Identifier: MIT
"""
How long the tests wait for others, in seconds. Nothing waits that long where all is well: a machine that is slow, or
has other work, is no failure.
"""

ANSWER = 20.0  # for what takes milliseconds: an answer, a notification, a connection
PROGRAM = 600.0  # for a program to end, be it a compiler
MUTANT = 20.0  # for what was broken on purpose, and ends within seconds unless it hangs, which is a find
