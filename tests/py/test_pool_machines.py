# SPDX-License-Identifier: MIT
"""The bounce pool under PoolMachine: every decision against the model, every byte of the window accounted for."""

from vring.testing import PoolMachine

TestPoolAgainstModel = PoolMachine.TestCase
