"""Every way in which an extension gets loaded ends in a guarded module."""

import pytest
from children import Stage

WAYS = [
    "import_module",
    "by_statement",
    "by_dunder_import",
    "by_spec",
    "by_loader",
    "by_load_module",
    "by_finder",
    "by_reload",
    "by_second_import",
    "inside_package",
]


@pytest.mark.parametrize("way", WAYS)
def test_way_to_load(guarded: Stage, way: str) -> None:
    guarded.check("ways_to_load.py", way)


@pytest.mark.parametrize("way", WAYS)
def test_way_to_load_control(unguarded: Stage, way: str) -> None:
    unguarded.assert_hazard("ways_to_load.py", way)
