"""Inherits from legacy types in Python: StaticBase|StaticChild|HeapBase."""

import sys

import stage

TIMES = 4_000
module = stage.load("inherited")
base = getattr(module, sys.argv[1])


class Plain(base):
    """Inherits every slot."""


class Calling(base):
    """Overrides every slot and calls the one it inherits, in several ways."""

    def __init__(self) -> None:
        super().__init__()

    def __repr__(self) -> str:
        return super().__repr__()

    def __len__(self) -> int:
        return super().__len__()

    def __call__(self) -> object:
        return super().__call__()

    def __add__(self, other: object) -> object:
        return base.__add__(self, other)

    def bump(self) -> None:
        super().bump()


class Deeper(Calling, Plain):
    """Inherits along two lines."""


def use(animal: object) -> None:
    repr(animal), len(animal), animal(), animal + animal, animal.bump()


def use_all() -> None:
    for _ in range(TIMES):
        for cls in (base, Plain, Calling, Deeper):
            use(cls())


stage.together(*[use_all] * stage.THREADS)
# One count for the construction and one for each of five uses.
lost = stage.THREADS * TIMES * 4 * 6 - module.count()
is_base = all(issubclass(cls, base) for cls in (Plain, Calling, Deeper))
stage.report(
    abs(lost) + module.overlaps() + (not is_base), lost=lost, overlaps=module.overlaps()
)
