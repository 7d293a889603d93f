"""Every way in which an extension gets loaded ends in a guarded module."""

from importlib.machinery import ExtensionFileLoader

import pytest
from children import Stage

WAYS = [
    "import_module",
    "by_statement",
    "by_dunder_import",
    "by_spec",
    "by_loader",
    "by_finder",
    "by_reload",
    "by_second_import",
    "inside_package",
]
if hasattr(ExtensionFileLoader, "load_module"):  # until 3.14
    WAYS.append("by_load_module")


@pytest.mark.parametrize("way", WAYS)
def test_way_to_load(guarded: Stage, way: str) -> None:
    guarded.check("ways_to_load.py", way)


@pytest.mark.parametrize("way", WAYS)
def test_way_to_load_control(unguarded: Stage, way: str) -> None:
    unguarded.assert_hazard("ways_to_load.py", way)
