"""References that legacy code borrows while other threads free what they lead to."""

import pytest
from children import Stage

BORROWERS = [
    "list_item",
    "dict_item",
    "dict_item_with_error",
    "dict_item_string",
    "dict_default",
    "attribute_list_item",
    "attribute_dict_item",
    "dict_item_known_hash",
    "set_entry",
    "attribute_set_entry",
    "attribute_fast_item",
    "second_list_item",
    "weak_referent",
    "item_by_table",
    "sys_object",
    "attribute_dict_item_string",
    "type_attribute",
]


@pytest.mark.parametrize("borrower", BORROWERS)
def test_borrowed_item_freed_by_another_thread(guarded: Stage, borrower: str) -> None:
    report = guarded.check("borrowed_items.py", borrower)
    assert report["calls"] > 50


@pytest.mark.parametrize("borrower", BORROWERS)
def test_borrowed_item_freed_by_another_thread_control(unguarded: Stage, borrower: str) -> None:
    unguarded.assert_hazard("borrowed_items.py", borrower)


def test_list_that_is_not_filled_yet(guarded: Stage, unguarded: Stage) -> None:
    """An item that is not there is nothing to keep alive, and no error."""
    for stage in guarded, unguarded:
        assert stage.check("unfilled_list.py")["missing"] == 3


def test_dict_walked_while_mutated(guarded: Stage) -> None:
    report = guarded.check("dict_walker.py", "walk")
    assert report["walks"] > 100
    assert report["inexact_walks"] == 0


def test_dict_walked_while_mutated_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("dict_walker.py", "walk")


def test_dict_that_is_no_argument_walked_while_mutated(guarded: Stage) -> None:
    report = guarded.check("dict_walker.py", "walk_attribute")
    assert report["walks"] > 100


def test_dict_that_is_no_argument_walked_while_mutated_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("dict_walker.py", "walk_attribute")


def test_dict_walked_in_a_section_of_its_own(guarded: Stage) -> None:
    report = guarded.check("own_section.py")
    assert report["walks"] > 100


def test_dict_walked_in_a_section_of_its_own_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("own_section.py")


def test_list_read_by_macro_while_mutated(guarded: Stage) -> None:
    report = guarded.check("macro_list_reader.py")
    assert report["reads"] > 100


def test_list_read_by_macro_while_mutated_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("macro_list_reader.py")


def test_fast_sequence_of_a_changing_list(guarded: Stage) -> None:
    report = guarded.check("fast_sequence.py", "changed")
    assert report["reads"] > 100


def test_fast_sequence_of_a_changing_list_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("fast_sequence.py", "changed")


def test_fast_sequence_that_is_kept_sees_changes(guarded: Stage) -> None:
    guarded.check("fast_sequence.py", "kept")


def test_item_borrowed_in_private_library(guarded: Stage) -> None:
    guarded.check("private_library.py")


def test_item_borrowed_in_private_library_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("private_library.py")


# The containers, and how many calls on each are tried.
CONTAINERS = {"list": 15, "dict": 11, "set": 6}


@pytest.mark.parametrize("container", CONTAINERS)
def test_call_on_a_locked_argument(guarded: Stage, container: str) -> None:
    """CPython locks it as well, which must not cost the caller the guard."""
    report = guarded.check("container_calls.py", container)
    assert len(report["functions"]) == CONTAINERS[container]


@pytest.mark.parametrize("container", CONTAINERS)
def test_call_on_a_locked_argument_control(unguarded: Stage, container: str) -> None:
    unguarded.assert_hazard("container_calls.py", container)
