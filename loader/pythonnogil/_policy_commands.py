"""``python -m pythonnogil policy``: checks policy files and explains what they decide."""

import os
from collections.abc import Iterator, Sequence

from pythonnogil import _startup
from pythonnogil._usage import UsageError, options_of, print_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pythonnogil._core import DecisionDescription, Explanation


class Policy:
    """Check a policy file, or explain what the policy decides for a module.

    usage: python -m pythonnogil policy check FILE
           python -m pythonnogil policy explain MODULE [--policy FILE]

    check reads FILE as Python would at its start, and says how many rules it has or what is wrong
    with it; the exit code is then 2.

    explain lists the rules that match MODULE, which is a full name as in an import statement; the
    first of them decides. Then it tells what is decided. Without --policy these are the rules of
    -X nogil-policy or else PYTHONNOGIL_POLICY. Those that come with pythonnogil follow.
    """

    FLAGS = ()
    VALUES = ("--policy",)

    def __init__(self, arguments: Sequence[str]) -> None:
        self.action, *words = arguments or ("",)
        if self.action not in ("check", "explain"):
            found = f"unknown action {self.action}" if self.action else "no action given"
            raise UsageError(f"policy: {found}; write check FILE or explain MODULE")
        values = self.VALUES if self.action == "explain" else ()
        options, rest = options_of(f"policy {self.action}", words, self.FLAGS, values)
        self.file = options.get("--policy")
        if len(rest) != 1:
            what = "FILE" if self.action == "check" else "MODULE"
            raise UsageError(f"policy {self.action}: give one {what}")
        self.subject = rest[0]

    def __call__(self) -> int:
        try:
            lines = _check(self.subject) if self.action == "check" else self._explain()
        except (ValueError, _startup.HookError) as error:
            raise UsageError(str(error).removeprefix("pythonnogil: ")) from error
        print_lines(lines)
        return 0

    def _explain(self) -> list[str]:
        core = _startup.load_core()
        file = self.file
        file = _startup.policy_asked_for(core) if file is None else os.path.abspath(file)
        policy = _startup.read_policy(core, file)
        mode = _startup.mode_asked_for(core, core.describe_policy(policy)["mode"])
        explanation = core.explain_policy(policy, self.subject)
        return [*_rules(self.subject, explanation), "", *_decision(explanation["decision"], mode)]


def _check(file: str) -> list[str]:
    core = _startup.load_core()
    count = core.describe_policy(core.read_policy(file, None))["rules"]
    return [f"{file}: {count} {'rule' if count == 1 else 'rules'}, no errors"]


def _rules(name: str, explanation: "Explanation") -> Iterator[str]:
    rules = explanation["rules"]
    if not rules:
        yield f"No rule matches {name}."
        return
    yield f"Rules that match {name}, the most specific first:"
    decision = explanation["decision"]
    for rule in rules:
        decides = []
        if rule["place"] == decision["rule"]:
            decides.append("decides")
        elif rule["place"] == decision["trust_rule"]:
            decides.append("decides on trust, of which the first says nothing")
        yield "  " + "  ".join([rule["place"], f'match = "{rule["match"]}"', *decides])
        yield from (f"      {text}" for text in (rule["reason"], rule["link"]) if text)


def _decision(decision: "DecisionDescription", mode_of_process: str) -> Iterator[str]:
    mode = decision["mode"] or mode_of_process
    yield f"Decision: {_outcome(decision, mode)}."
    yield f"  mode = {mode}" + ("" if decision["mode"] else ", which is that of the process")
    yield f"  scope = {decision['scope']}"
    if decision["group"]:
        yield f"  group = {decision['group']}"
    if decision["readers"]:
        yield f"  readers = {', '.join(decision['readers'])}"
    yield f"  trust = {decision['trust']}"
    yield f"  lock-arguments = {str(decision['lock_arguments']).lower()}"


def _outcome(decision: "DecisionDescription", mode: str) -> str:
    if mode == "off":
        return "it is left to CPython"
    trust = decision["trust"]
    if trust == "trusted":
        return "it is loaded unguarded, whatever it declares"
    legacy = {
        "gil": f"guarded in scope {decision['scope']}",
        "strict-nogil": "refused",
        "unsafe-nogil": "loaded unguarded, with a warning",
    }[mode]
    if trust == "distrusted":
        return f"it is {legacy}, whatever it declares"
    if trust == "shared":
        return f"it is {legacy}, or kept apart from legacy code if it declares that it is safe"
    return f"it is {legacy}, unless it declares that it is safe"
