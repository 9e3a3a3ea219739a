# SPDX-License-Identifier: MIT
"""The table of requirements says what the tests say."""

from __future__ import annotations

import statements


def test_the_table_is_current() -> None:
    assert statements.TABLE.read_text() == statements.table(), "run python tests/py/statements.py"


def test_every_number_has_a_test() -> None:
    assert not statements.without_a_test()


def test_a_number_without_a_test_is_named(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(
        statements, "tests", lambda: {number: [("a.c", "a")] for number in statements.NUMBERS if number != "V7"}
    )
    assert statements.without_a_test() == ["V7"]


def test_numbers_are_found_in_names_of_both_languages() -> None:
    found = statements.tests()
    assert any(file.endswith(".c") for file, _ in found["V20"])
    assert any(file.endswith(".py") for file, _ in found["S1"])
    assert len({name for tests in found.values() for _, name in tests}) > 100


def test_a_number_that_no_requirement_has_is_an_error(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(statements, "tests", lambda: {"V109": [("a.c", "V109_nothing")]})
    try:
        statements.table()
    except ValueError as error:
        assert "V109" in str(error)
    else:
        raise AssertionError("V109 was accepted")
