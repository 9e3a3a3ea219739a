# SPDX-License-Identifier: MIT
"""A state machine that must fail, and for the reason given."""

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def find(machine: type[RuleBasedStateMachine], reason: str, *phases: Phase) -> pytest.ExceptionInfo[Exception]:
    """
    Run it until it fails, which it has to; without Phase.shrink among ``phases`` with the first steps found. What is
    drawn depends on which modules have been imported, and may all be far from the fault: then there are other draws.
    """
    wanted = settings(max_examples=3000, report_multiple_bugs=False, phases=[Phase.generate, *phases])
    with pytest.raises(Exception, match=reason) as found:
        run_state_machine_as_test(machine, settings=wanted)
        for number in range(3):
            run_state_machine_as_test(seed(number)(machine), settings=wanted)
    return found
