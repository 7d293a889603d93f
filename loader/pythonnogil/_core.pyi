"""The native core: decides the mode, watches extensions load and guards their entries."""

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Literal, TypedDict

class ModuleInfo(TypedDict):
    """What is known of one extension."""

    name: str
    path: str
    verdict: Literal["declared", "legacy", "trusted"]
    reason: Literal["", "undeclared", "explicit", "single-phase", "distrusted"]
    mode: str
    scope: str
    rule: str | None
    entries: int

# The names of some members are no identifiers.
Durations = TypedDict(
    "Durations", {"total": float, "p50": float, "p99": float, "p99.9": float, "max": float}
)
WaitsOver = TypedDict("WaitsOver", {"1ms": int, "5ms": int, "16ms": int, "100ms": int})

class Measures(TypedDict):
    """What was recorded of some calls. All times are in seconds."""

    calls: int
    waits: int
    contended_share: float
    wait: Durations
    hold: Durations
    waits_over: WaitsOver

class FunctionMeasures(Measures):
    """What was recorded of one function."""

    name: str
    kind: Literal["function", "constructor", "deallocator", "callback", "instance"]

class Longest(TypedDict):
    """The longest hold or wait, and the function that it was."""

    function: str
    seconds: float

class EntryCounts(TypedDict):
    """How many functions of a module have a guard, and how many are known to need none."""

    guarded: int
    open: int

class GroupMeasures(Measures):
    """What was recorded of one file; the name is empty where it is no module."""

    name: str
    file: str
    domain: str | None
    entries: EntryCounts
    longest_hold: Longest | None
    longest_wait: Longest | None
    functions: list[FunctionMeasures]

class Memory(TypedDict):
    """How much memory the counters and the entries take."""

    recorder_bytes: int
    entries_bytes: int

class Statistics(TypedDict):
    """All that was recorded."""

    modules: list[GroupMeasures]
    memory: Memory

class Overlap(TypedDict):
    """How often two functions of an unguarded module ran at the same time."""

    module: str
    first: str
    second: str
    same_object: bool
    count: int

class Policy:
    """A policy that was read, for the functions below. The name does not exist at run time."""

class PolicyDescription(TypedDict):
    """What a policy says of the process: its mode, whether some rule refuses, how many rules."""

    mode: str | None
    refuses: bool
    rules: int

class RuleDescription(TypedDict):
    """One rule: its pattern, its place as ``file:line``, and its evidence."""

    match: str
    place: str
    reason: str | None
    link: str | None

class DecisionDescription(TypedDict):
    """What a policy decides for one module; the rules are places, None where there was none."""

    mode: str | None
    scope: str
    group: str | None
    readers: list[str]
    trust: str
    lock_arguments: bool
    rule: str | None
    trust_rule: str | None

class Explanation(TypedDict):
    """The rules that match a module, the one that decides first, and the decision."""

    rules: list[RuleDescription]
    decision: DecisionDescription

def resolve_mode(
    xoptions: dict[str, str | bool],
    orig_argv: list[str],
    environ: str | None,
    policy: str | None,
    /,
) -> str:
    """The mode that sys._xoptions, sys.orig_argv, PYTHONNOGIL_MODE or the policy file selects.

    *environ* is None when the variable is unset or silenced by -E or -I; *policy* is the mode that
    the policy file has. Raises ValueError with one line for the user when the selection is bad.
    """

def resolve_policy(
    xoptions: dict[str, str | bool], orig_argv: list[str], environ: str | None, /
) -> str | None:
    """The policy file that sys._xoptions, sys.orig_argv and PYTHONNOGIL_POLICY select.

    Raises ValueError with one line for the user when the selection is bad.
    """

def read_policy(file: str | None, shipped: str | None, /) -> Policy:
    """Read the user's policy file and the one that comes with the package.

    Raises ValueError with one line for the user when one of them is bad.
    """

def describe_policy(policy: Policy, /) -> PolicyDescription:
    """What the policy says of the process."""

def explain_policy(policy: Policy, name: str, /) -> Explanation:
    """What the policy says of the module *name*, and why."""

def install(
    mode: str,
    announce: Callable[[str, str, str, str, str | None, str | None], object],
    policy: Policy,
    gil_is_on: bool,
    /,
) -> None:
    """Set the mode and the policy for extensions loaded from now on.

    ``announce(mode, name, path, reason, evidence, mode_rule)`` is called once for each legacy
    extension before its code runs, with the mode and reason of ModuleInfo, what the policy has
    against a distrusted one, and the place of the rule that chose the mode. What it raises refuses
    the import.
    """

def create_dynamic(spec: ModuleSpec, file: object = ..., /) -> ModuleType:
    """Create an extension module: CPython's loader, with the entries guarded."""

def modules() -> list[ModuleInfo]:
    """What is known of each extension loaded through create_dynamic, in the order of loading."""

def record_overlaps() -> None:
    """Record overlapping calls of modules that are imported from now on and run unguarded."""

def overlaps() -> list[Overlap]:
    """Which calls of unguarded modules overlapped, in the order of modules and functions."""

def watchdog_signal() -> int:
    """The number of a signal that nobody handles, for the watchdog; -1 when there is none.

    0 where there is a watchdog already, or it is not for this interpreter to have one.
    """

def start_watchdog(seconds: float, state_signal: int, signal: int, file: int, /) -> None:
    """Print each wait for a guard that is longer than *seconds*; none for 0.

    *state_signal*, unless it is 0, prints all that is held and waited for. *signal* is used to ask
    threads for their stacks; what handles it now is called for the Python stack, and writes to
    *file*.
    """

def restart_watchdog(file: int, /) -> None:
    """Go on in the child of a fork, with another *file*, or -1 for none."""

def stop_watchdog() -> None:
    """End what start_watchdog began."""

def function_pointers(objects: list[object], /) -> list[tuple[int, str, str, int, bool]]:
    """The function pointers into extensions that these objects and the process itself hold.

    Each as the index of its owner (-1: the process), the slot, the file that the function is in,
    its offset there, and whether a guard stands before it.
    """

def loaded_imports(path: str, /) -> list[tuple[str, bool, bool]]:
    """What a loaded file imports: names, whether each is redirected, and whether it is in data.

    Names may repeat.
    """

def abi_mismatch(path: str, /) -> str | None:
    """What is wrong with the name of an extension's file for this interpreter, or None."""

def start_recording() -> None:
    """Count and measure guarded calls from now on."""

def stop_recording() -> None:
    """No longer count and measure guarded calls; what was recorded stays."""

def recording() -> bool:
    """Whether guarded calls are counted and measured."""

def statistics() -> Statistics:
    """What was recorded, by module and function."""

def start_trace(file: str, limit: int = ..., /) -> bool:
    """Record calls, and write waits and holds to *file*, at most *limit* bytes.

    "%p" in the name stands for the number of the process. False when there is a trace already.
    Raises OSError.
    """

def stop_trace() -> None:
    """Write what is left of the trace and end its file."""

def name_thread(native_id: int, name: str, /) -> None:
    """Name a thread in the trace."""

def platform_support() -> str | None:
    """None where extensions can be guarded, else the reason why not, as a sentence."""
