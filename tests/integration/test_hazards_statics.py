"""Statics that legacy code changes without a lock: counters, caches, who may enter meanwhile."""

import pytest
from children import Stage

COUNTS = 150_000  # in each thread

# What to call, by kind of entry.
KINDS_OF_FUNCTION = {
    "noargs": "static_counter.increment",
    "o": "lambda: static_counter.increment_o(1)",
    "varargs": "lambda: static_counter.increment_varargs(1)",
    "keywords": "lambda: static_counter.increment_keywords(ignored=1)",
    "fastcall": "lambda: static_counter.increment_fast(1, 2)",
    "fastcall_keywords": "lambda: static_counter.increment_fast_keywords(1, also=2)",
    "method": "static_counter.Counter().by_method",
    "method_keywords": "lambda: static_counter.Counter().by_method(1, key=2)",
    "noargs_method": "static_counter.Counter().by_noargs",
    "method_descriptor": "lambda: static_counter.Counter.by_noargs(static_counter.Counter())",
    "class_method": "static_counter.Counter.by_class",
    "static_method": "static_counter.Counter.by_static",
}

# The same counter in modules that are initialised or linked in other ways.
KINDS_OF_MODULE = {
    "undeclared_multi": "undeclared_multi.increment",
    "explicit_used": "explicit_used.increment",
    "late_set_gil": "late_set_gil.increment",
    "lazily_bound": "lazily_bound.increment",
    "without_plt": "without_plt.increment",
    "const_tables": "const_tables.increment",
    "private_library": "private_library.increment",
}
# Modules that legacy code makes when it is asked to, after its own import.
MADE_MODULES = {
    "at once": "made_modules.at_once()",
    "in steps": "made_modules.in_steps(made_modules.__spec__)",
    "by executing": "made_modules.by_executing(made_modules.__spec__)",
    "out of nothing": "made_modules.out_of_nothing()",
}
TYPES_IN_READ_ONLY_MEMORY = {
    "method": "const_tables.Const().increment",
    "getset": "lambda animal=const_tables.Const(): animal.counted",
    "slot": "lambda animal=const_tables.Const(): -animal",
}


def test_static_counter(guarded: Stage) -> None:
    report = guarded.check("increments.py", "static_counter", "static_counter.increment", 400_000)
    assert report["count"] == 4 * 400_000
    assert report["overlaps"] == 0


def test_static_counter_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("increments.py", "static_counter", "static_counter.increment", 400_000)


@pytest.mark.parametrize("kind", KINDS_OF_FUNCTION)
def test_kind_of_function(guarded: Stage, kind: str) -> None:
    guarded.check("increments.py", "static_counter", KINDS_OF_FUNCTION[kind], COUNTS)


@pytest.mark.parametrize("kind", KINDS_OF_FUNCTION)
def test_kind_of_function_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("increments.py", "static_counter", KINDS_OF_FUNCTION[kind], COUNTS)


@pytest.mark.parametrize("module", KINDS_OF_MODULE)
def test_kind_of_module(guarded: Stage, module: str) -> None:
    guarded.check("increments.py", module, KINDS_OF_MODULE[module], COUNTS)


@pytest.mark.parametrize("module", KINDS_OF_MODULE)
def test_kind_of_module_control(unguarded: Stage, module: str) -> None:
    unguarded.assert_hazard("increments.py", module, KINDS_OF_MODULE[module], COUNTS)


@pytest.mark.parametrize("kind", TYPES_IN_READ_ONLY_MEMORY)
def test_tables_in_read_only_memory(guarded: Stage, kind: str) -> None:
    guarded.check("increments.py", "const_tables", TYPES_IN_READ_ONLY_MEMORY[kind], COUNTS)


@pytest.mark.parametrize("kind", TYPES_IN_READ_ONLY_MEMORY)
def test_tables_in_read_only_memory_control(unguarded: Stage, kind: str) -> None:
    expression = TYPES_IN_READ_ONLY_MEMORY[kind]
    unguarded.assert_hazard("increments.py", "const_tables", expression, COUNTS)


def test_shared_cache_filled_on_first_use(guarded: Stage) -> None:
    report = guarded.check("shared_cache.py")
    assert report["extra_parses"] == 0
    assert report["lost_expansions"] == 0
    assert report["wrong_texts"] == 0


def test_shared_cache_filled_on_first_use_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("shared_cache.py")


def test_blocking_region_lets_others_in(guarded: Stage) -> None:
    report = guarded.check("blocking_region.py", "detached")
    assert report["elapsed"] < 0.6, "four sleeps of 0.2 s did not overlap"
    assert report["entered"] > 100


def test_without_blocking_region_nobody_else_is_in(guarded: Stage) -> None:
    report = guarded.check("blocking_region.py", "attached")
    assert report["elapsed"] >= 0.8, "four sleeps of 0.2 s overlapped"


def test_without_blocking_region_nobody_else_is_in_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("blocking_region.py", "attached")


def test_two_modules_in_one_file(guarded: Stage) -> None:
    guarded.check("two_modules.py")


def test_two_modules_in_one_file_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("two_modules.py")


@pytest.mark.parametrize("module", ["static_counter", "undeclared_multi"])
def test_one_module_under_two_names(guarded: Stage, module: str) -> None:
    guarded.check("two_names.py", module)


@pytest.mark.parametrize("module", ["static_counter", "undeclared_multi"])
def test_one_module_under_two_names_control(unguarded: Stage, module: str) -> None:
    unguarded.assert_hazard("two_names.py", module)


@pytest.mark.parametrize("way", MADE_MODULES)
def test_module_made_after_the_import(guarded: Stage, way: str) -> None:
    executed = int(way == "by executing")
    report = guarded.run(
        "increments.py", "made_modules", f"{MADE_MODULES[way]}.increment", COUNTS
    )
    assert report["overlaps"] == 0
    assert report["count"] == 4 * COUNTS + executed


@pytest.mark.parametrize("way", MADE_MODULES)
def test_module_made_after_the_import_control(unguarded: Stage, way: str) -> None:
    unguarded.assert_hazard(
        "increments.py", "made_modules", f"{MADE_MODULES[way]}.increment", COUNTS
    )
