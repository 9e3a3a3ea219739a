# SPDX-License-Identifier: MIT
"""A state machine that must fail, and for the reason given."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def find(machine: type[RuleBasedStateMachine], reason: str, *phases: Phase) -> pytest.ExceptionInfo[Exception]:
    """Run it until it fails, which it has to; without Phase.shrink among ``phases`` with the first steps found."""
    with pytest.raises(Exception, match=reason) as found:
        run_state_machine_as_test(
            machine, settings=settings(max_examples=3000, report_multiple_bugs=False, phases=[Phase.generate, *phases])
        )
    return found
