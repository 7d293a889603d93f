#include "loader/core/planning.hpp"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "shim/gil_lease.hpp"
#include "shim/main_thread_calls.hpp"
#include "shim/overlaps.hpp"
#include "shim/prepared_images.hpp"

namespace pythonnogil::loader {

namespace {

using policy::Scope;
using policy::Trust;
using shim::Access;
using shim::GuardPlan;

shim::Domain& domain_for(const std::string& module, const policy::Decision& decision) {
    switch (decision.scope) {
        case Scope::group:
            return shim::named_domain("group " + decision.group);
        case Scope::module:
        case Scope::object:
        case Scope::main_thread:
            return shim::named_domain("module " + module);
        case Scope::process:
        case Scope::interpreter:
        case Scope::none:
            break;
    }
    return shim::process_domain();
}

Access access_for(const policy::Decision& decision) {
    if (decision.trust == Trust::shared)
        return Access::shared;
    switch (decision.scope) {
        case Scope::object:
            return Access::receiver;
        case Scope::interpreter:
            return Access::interpreter;
        case Scope::main_thread:
            return Access::main_thread;
        default:
            return Access::exclusive;
    }
}

// One plan for each rule and module: the same module may be imported often, under several
// interpreters.
const GuardPlan& plan_of_rule(const std::string& module, const policy::Decision& decision) {
    static std::mutex mutex;
    static auto* const plans =
        new std::map<std::pair<const policy::Rule*, std::string>, const GuardPlan*>;
    const std::lock_guard lock(mutex);
    const GuardPlan*& plan = (*plans)[{decision.rule, module}];
    if (plan == nullptr)
        plan = new GuardPlan({.module = module,
                              .domain = &domain_for(module, decision),
                              .access = access_for(decision),
                              .readers = decision.readers,
                              .locks_arguments = decision.lock_arguments,
                              .place = policy::place_of(*decision.rule)});
    return *plan;
}

// Everything in such a module is witnessed, in a domain that nobody enters: it says what belongs to
// the module, and what that is called.
const GuardPlan& plan_to_witness(const std::string& module) {
    static std::mutex mutex;
    static auto* const plans = new std::map<std::string, const GuardPlan*>;
    const std::lock_guard lock(mutex);
    const GuardPlan*& plan = (*plans)[module];
    if (plan == nullptr)
        plan = new GuardPlan({.module = module,
                              .domain = &shim::named_domain(module),
                              .access = Access::witnessed,
                              .locks_arguments = false});
    return *plan;
}

}  // namespace

const GuardPlan* guard_plan_for(const std::string& module, Mode mode,
                                const policy::Decision& decision) {
    if (decision.trust == Trust::trusted)
        return nullptr;
    if (mode != Mode::gil || decision.scope == Scope::none)
        return shim::overlaps::are_recorded() ? &plan_to_witness(module) : nullptr;
    if (decision.rule == nullptr)
        return &shim::guard_plans::standard();
    return &plan_of_rule(module, decision);
}

bool make_ready(const GuardPlan& plan, PyObject* create_dynamic) {
    if (plan.access() == Access::main_thread)
        return shim::main_thread_calls::configure();
    if (plan.access() != Access::interpreter)
        return true;
    if (const auto obstacle = shim::gil_lease::obstacle())
        throw shim::LoadError(plan.place() + ": scope: module " + plan.module() +
                              " can not have scope \"interpreter\": " + *obstacle);
    Dl_info own{};
    dladdr(reinterpret_cast<void*>(&make_ready), &own);
    return shim::gil_lease::configure(create_dynamic, own.dli_fname);
}

}  // namespace pythonnogil::loader
