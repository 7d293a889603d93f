#include "loader/core/policy_functions.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loader/core/text.hpp"
#include "policy/wording.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/gil_lease.hpp"
#endif

namespace pythonnogil::loader {

namespace {

constexpr const char* capsule_name = "pythonnogil._core.Policy";

// All of these give a new reference, or null with an exception set.

PyObject* mode_or_none(std::optional<Mode> mode) {
    return text_or_none(mode ? mode_name(*mode) : std::string_view());
}

PyObject* place_or_none(const policy::Rule* rule) {
    return text_or_none(rule == nullptr ? std::string() : policy::place_of(*rule));
}

template <typename Values, typename Convert>
PyObject* list_of(const Values& values, Convert&& convert) {
    PyObject* list = PyList_New(0);
    for (const auto& value : values) {
        PyObject* item = list == nullptr ? nullptr : convert(value);
        const bool appended = item != nullptr && PyList_Append(list, item) == 0;
        Py_XDECREF(item);
        if (!appended) {
            Py_XDECREF(list);
            return nullptr;
        }
    }
    return list;
}

PyObject* describe_rule(const policy::Rule* rule) {
    return Py_BuildValue("{s:N,s:N,s:N,s:N}", "match", text(rule->match.text()), "place",
                         place_or_none(rule), "reason", text_or_none(rule->reason), "link",
                         text_or_none(rule->link));
}

PyObject* describe_decision(const policy::Decision& decision) {
    return Py_BuildValue(
        "{s:N,s:N,s:N,s:N,s:N,s:O,s:N,s:N}", "mode", mode_or_none(decision.mode), "scope",
        text(policy::scope_name(decision.scope)), "group", text_or_none(decision.group), "readers",
        list_of(decision.readers, text), "trust", text(policy::trust_name(decision.trust)),
        "lock_arguments", decision.lock_arguments ? Py_True : Py_False, "rule",
        place_or_none(decision.rule), "trust_rule", place_or_none(decision.trust_rule));
}

// Nothing for None; sets `failed`, with an exception set, when the path cannot be encoded.
std::optional<std::string> path_of(PyObject* object, bool& failed) {
    if (object == Py_None)
        return std::nullopt;
    PyObject* bytes = nullptr;
    if (PyUnicode_FSConverter(object, &bytes) == 0) {
        failed = true;
        return std::nullopt;
    }
    std::string path(PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    return path;
}

policy::PolicyFile read_or_empty(const std::optional<std::string>& path) {
    return path ? policy::read_policy_file(*path) : policy::PolicyFile();
}

#ifdef Py_GIL_DISABLED
// Better told when the policy is read than by an import that fails long after.
void check_leases(const policy::Policy& policy) {
    for (const policy::Rule* rule : policy.rules()) {
        if (rule->settings.scope != policy::Scope::interpreter)
            continue;
        if (const auto obstacle = shim::gil_lease::obstacle())
            throw policy::PolicyError(policy::printable(policy::place_of(*rule)) +
                                      ": scope \"interpreter\" is not to be had: " + *obstacle);
    }
}
#else
void check_leases(const policy::Policy&) {}
#endif

}  // namespace

const policy::Policy* policy_in(PyObject* capsule) {
    return static_cast<const policy::Policy*>(PyCapsule_GetPointer(capsule, capsule_name));
}

PyObject* read_policy(PyObject*, PyObject* arguments) {
    PyObject* file = nullptr;
    PyObject* shipped = nullptr;
    if (!PyArg_ParseTuple(arguments, "OO:read_policy", &file, &shipped))
        return nullptr;
    bool failed = false;
    const auto own_path = path_of(file, failed);
    const auto shipped_path = failed ? std::nullopt : path_of(shipped, failed);
    if (failed)
        return nullptr;
    return value_error_at_boundary([&] {
        auto policy =
            std::make_unique<policy::Policy>(read_or_empty(own_path), read_or_empty(shipped_path));
        check_leases(*policy);
        PyObject* capsule = PyCapsule_New(policy.get(), capsule_name, nullptr);
        if (capsule != nullptr)
            (void)policy.release();
        return capsule;
    });
}

PyObject* describe_policy(PyObject*, PyObject* capsule) {
    const policy::Policy* policy = policy_in(capsule);
    if (policy == nullptr)
        return nullptr;
    const std::vector<const policy::Rule*> rules = policy->rules();
    const bool refuses = std::ranges::any_of(
        rules, [](const policy::Rule* rule) { return rule->settings.mode == Mode::strict_nogil; });
    return Py_BuildValue("{s:N,s:O,s:n}", "mode", mode_or_none(policy->mode()), "refuses",
                         refuses ? Py_True : Py_False, "rules",
                         static_cast<Py_ssize_t>(rules.size()));
}

PyObject* explain_policy(PyObject*, PyObject* arguments) {
    PyObject* capsule = nullptr;
    const char* name = nullptr;
    if (!PyArg_ParseTuple(arguments, "Os:explain_policy", &capsule, &name))
        return nullptr;
    const policy::Policy* policy = policy_in(capsule);
    if (policy == nullptr)
        return nullptr;
    return value_error_at_boundary([&] {
        return Py_BuildValue("{s:N,s:N}", "rules", list_of(policy->matching(name), describe_rule),
                             "decision", describe_decision(policy->decide(name)));
    });
}

}  // namespace pythonnogil::loader
