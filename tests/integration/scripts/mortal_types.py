"""The types of the fixture mortals, and Python classes of every kind that are made of them."""

from types import ModuleType

finalized: list[None] = []


def subclass(base: type, kind: str) -> type:
    """A Python class of that kind."""

    def finalize(self: object) -> None:
        finalized.append(None)

    parts: dict[str, dict[str, object]] = {
        "slots": {"__slots__": ("one", "two")},
        "empty slots": {"__slots__": ()},
        "weak slots": {"__slots__": ("one", "__weakref__")},
        "dict": {},
        "del": {"__del__": finalize},
    }
    return type(f"Sub{base.__name__}", (base,), parts[kind])


def find_type(module: ModuleType, kind: str) -> type:
    """The type of that name, or a subclass: "Plain", "Plain dict"."""
    name, _, how = kind.partition(" ")
    base: type = getattr(module, name)
    return subclass(base, how) if how else base
