"""Tries to load what is no extension for this interpreter: NAME PATH. Then loads a good one."""

import importlib.machinery
import importlib.util
import sys

import stage

name, path = sys.argv[1:3]
before = set(sys.modules)
outcomes = []
for _ in range(2):
    error: BaseException | None = None
    try:
        loader = importlib.machinery.ExtensionFileLoader(name, path)
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    except Exception as raised:
        error = raised
    stage.check_gil()
    outcomes.append(
        {
            "type": type(error).__name__,
            "is_import_error": isinstance(error, ImportError),
            "name": getattr(error, "name", None),
            "path": getattr(error, "path", None),
            "message": str(error),
        }
    )
left_behind = sorted(
    other for other in set(sys.modules) - before if other.partition(".")[0] != "pythonnogil"
)

TIMES = 30_000
good = stage.load("static_counter")
stage.together(*[lambda: stage.repeat(good.increment, TIMES)] * stage.THREADS)
wrong = abs(stage.THREADS * TIMES - good.count()) + good.overlaps()
stage.report(wrong, first=outcomes[0], second=outcomes[1], left_behind=left_behind)
