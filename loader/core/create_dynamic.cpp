// One import: load and redirect the file, let CPython's own loader do its work under the guard, and
// see what the module turned out to be.

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "loader/core/errors.hpp"
#include "loader/core/module_records.hpp"
#include "loader/core/stack_switcher.hpp"
#include "loader/core/state.hpp"
#include "loader/core/text.hpp"
#include "policy/abi_tag.hpp"
#include "policy/wording.hpp"
#include "shim/elf_file.hpp"
#include "shim/exported_function.hpp"
#include "shim/hooked_functions.hpp"
#include "shim/hooks.hpp"
#include "shim/import_in_progress.hpp"
#include "shim/log.hpp"
#include "shim/prepared_images.hpp"

#ifdef Py_GIL_DISABLED
#include "loader/core/planning.hpp"
#include "shim/exclusive_hold.hpp"
#include "shim/thunk_pool.hpp"
#endif

namespace pythonnogil::loader {

namespace {

using shim::LegacyReason;
using shim::Verdict;

// A text attribute of the spec in the file system's encoding; nothing when it is not text, or text
// with a null character, which CPython refuses.
std::optional<std::string> text_attribute(PyObject* spec, const char* name) {
    PyObject* value = PyObject_GetAttrString(spec, name);
    if (value == nullptr) {
        PyErr_Clear();
        return std::nullopt;
    }
    std::optional<std::string> text;
    if (PyUnicode_Check(value)) {
        PyObject* bytes = PyUnicode_EncodeFSDefault(value);
        if (bytes == nullptr)
            PyErr_Clear();
        else if (std::strlen(PyBytes_AS_STRING(bytes)) ==
                 static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)))
            text = PyBytes_AS_STRING(bytes);
        Py_XDECREF(bytes);
    }
    Py_DECREF(value);
    return text;
}

// The flags that CPython passes to dlopen, as sys.setdlopenflags left them.
int dlopen_flags() {
    PyObject* getter = PySys_GetObject("getdlopenflags");
    PyObject* value = getter == nullptr ? nullptr : PyObject_CallNoArgs(getter);
    const long flags = value == nullptr ? -1 : PyLong_AsLong(value);
    Py_XDECREF(value);
    if (flags == -1 && PyErr_Occurred() != nullptr)
        throw shim::LoadError("sys.getdlopenflags() failed");
    return static_cast<int>(flags);
}

// One import as the policy wants it done.
struct Request {
    std::string name;
    std::string path;
    Mode mode;
    policy::Decision decision;
};

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
// The name by which CPython looks for the export function of a module: the last part of the
// module's name, in ASCII or, where that cannot be, in Punycode. Empty, with an exception cleared,
// where CPython itself will say what is wrong with it.
std::string export_function_name(const std::string& module) {
    const std::string last = module.substr(module.rfind('.') + 1);
    const bool ascii = std::ranges::all_of(last, [](unsigned char c) { return c < 0x80; });
    PyObject* text = PyUnicode_DecodeFSDefault(last.c_str());
    PyObject* bytes = text == nullptr
                          ? nullptr
                          : PyUnicode_AsEncodedString(text, ascii ? "ascii" : "punycode", nullptr);
    Py_XDECREF(text);
    if (bytes == nullptr) {
        PyErr_Clear();
        return {};
    }
    std::string name = PyBytes_AS_STRING(bytes);
    Py_DECREF(bytes);
    std::ranges::replace(name, '-', '_');
    return (ascii ? "PyModExport_" : "PyModExportU_") + name;
}

// CPython looks for the export function in the file that it finds loaded.
void replace_export_function(shim::ImportInProgress& import, const shim::PreparedImages& images) {
    const std::string name = export_function_name(import.name());
    if (!name.empty())
        import.exported().function = shim::replace_exported_function(
            images.handle(), name, reinterpret_cast<void*>(&shim::hooks::export_module));
}
#else
void replace_export_function(shim::ImportInProgress&, const shim::PreparedImages&) {}
#endif

class Import final : public shim::ImportInProgress {
  public:
    Import(State& state, const Request& request, const shim::GuardPlan* plan, bool can_declare_late)
        : ImportInProgress(request.name, request.path, request.mode, request.decision, plan,
                           can_declare_late),
          state_(state) {}

    // Announces a module whose init function ran in another interpreter. False with an exception
    // set: it must not be used.
    bool announce_if_due() {
        return !std::exchange(is_announcement_due_, false) || announce(reason());
    }

    void record() const {
        const bool guarded = (verdict() == Verdict::legacy && guards()) || shares();
        module_records::add({name(), path(), verdict(), reason(), mode(),
                             guarded ? decision().scope : policy::Scope::none, decision().rule});
    }

  protected:
    // Each module is announced once; one that was refused is announced, and refused, every time.
    bool admit(LegacyReason reason) override {
        if (module_records::find(name(), path()).has_value() && mode() != Mode::strict_nogil)
            return true;
        if (!runs_elsewhere())
            return announce(reason);
        is_announcement_due_ = true;
        if (mode() != Mode::strict_nogil)
            return true;
        // CPython writes this to stderr and fails in the importing interpreter, where the full text
        // follows.
        shim::set_import_error("strict-nogil refuses '" + name() + "' (" + path() + ")", name(),
                               path());
        return false;
    }

  private:
    bool announce(LegacyReason reason) {
        PyObject* answer =
            PyObject_CallFunction(state_.announce, "ssNsNN", how_it_runs().data(), name().c_str(),
                                  PyUnicode_DecodeFSDefault(path().c_str()), shim::name_of(reason),
                                  text_or_none(evidence(reason)), text_or_none(rule_of_mode()));
        Py_XDECREF(answer);
        if (answer == nullptr)
            drop_traceback();
        return answer != nullptr;
    }

    // As _announcement.py has it.
    std::string_view how_it_runs() const {
        return mode() == Mode::gil && decision().scope == policy::Scope::none ? "scope none"
                                                                              : mode_name(mode());
    }

    // Frames of ours say nothing to somebody whose import fails.
    static void drop_traceback() {
        PyObject* raised = PyErr_GetRaisedException();
        PyException_SetTraceback(raised, Py_None);
        PyErr_SetRaisedException(raised);
    }

    // What the policy has against a module that declares that it is safe.
    std::string evidence(LegacyReason reason) const {
        const policy::Rule* rule = decision().trust_rule;
        if (reason != LegacyReason::distrusted || rule == nullptr)
            return {};
        return policy::place_of(*rule) + ": " + policy::printable(rule->reason);
    }

    // The rule that chose the mode of this module, if one did.
    std::string rule_of_mode() const {
        return decision().mode ? policy::place_of(*decision().rule) : std::string();
    }

    State& state_;
    bool is_announcement_due_ = false;
};

PyObject* call_original(const State& state, PyObject* spec, PyObject* file) {
    return file == nullptr ? PyObject_CallOneArg(state.original, spec)
                           : PyObject_CallFunctionObjArgs(state.original, spec, file, nullptr);
}

// CPython has put a single-phase module into sys.modules by now. Consumes `module`; keeps the
// exception that is set.
void discard(const Import& import, PyObject* module) {
    PyObject* raised = PyErr_GetRaisedException();
    if (PyDict_PopString(PyImport_GetModuleDict(), import.name().c_str(), nullptr) < 0)
        PyErr_Clear();
    Py_DECREF(module);
    PyErr_SetRaisedException(raised);
}

// An init function that went on in spite of its refusal leaves nothing behind. Consumes `module`.
PyObject* fail_with_refusal(Import& import, PyObject* module) {
    PyErr_Clear();
    if (module != nullptr)
        discard(import, module);
    if (!import.raise_refusal())
        import.announce_if_due();
    return nullptr;
}

#ifdef Py_GIL_DISABLED
// A single-phase module was guarded before it could say that it need not be.
void open_thunks(const Import& import) {
    for (void* const thunk : import.thunks())
        shim::thunk_pool::open(thunk);
}

void keep(shim::PreparedImages& images, const shim::GuardPlan* plan) {
    images.keep();
    if (plan != nullptr)
        shim::guard_plans::assign(images.redirected(), *plan);
}

bool is_guarding(const shim::GuardPlan* plan) {
    return plan != nullptr && !plan->only_witnesses();
}

const shim::InterpositionTable& functions_for(const shim::GuardPlan* plan) {
    if (plan == nullptr)
        return shim::answering_functions();
    return is_guarding(plan) ? shim::guarding_functions() : shim::witnessing_functions();
}

// A single-phase module has all its functions now; one that CPython had cached has no definition.
// Others are looked at when they were executed.
bool has_its_readers(PyObject* module, const shim::GuardPlan* plan) {
    const PyModuleDef* definition = PyModule_Check(module) ? PyModule_GetDef(module) : nullptr;
    const bool is_executed_later = definition != nullptr && definition->m_slots != nullptr;
    return plan == nullptr || is_executed_later || plan->check_readers();
}
#else
bool is_guarding(const shim::GuardPlan*) {
    return false;
}

const shim::InterpositionTable& functions_for(const shim::GuardPlan*) {
    return shim::answering_functions();
}

bool has_its_readers(PyObject*, const shim::GuardPlan*) {
    return true;
}

void open_thunks(const Import&) {}

void keep(shim::PreparedImages& images, const shim::GuardPlan*) {
    images.keep();
}
#endif

// What the policy and the mode of the process ask for; both may change while this thread imports.
Request request_for(const State& state, const std::string& name, const std::string& path) {
    policy::Decision decision = state.policy->decide(name);
    const Mode mode = decision.mode.value_or(state.mode);
    return {name, path, mode, std::move(decision)};
}

// Whether CPython loads the module without us: nobody wants it guarded or refused.
bool is_left_to_cpython(const State& state, const Request& request) {
    return request.mode == Mode::off || (state.gil_is_on && request.mode != Mode::strict_nogil);
}

void log_outcome(const Import& import) {
    const char* outcome = shim::name_of(import.reason());
    if (import.verdict() == Verdict::declared)
        outcome = "declared";
    else if (import.verdict() == Verdict::trusted)
        outcome = "trusted";
    const policy::Rule* rule = import.decision().rule;
    shim::log_debug(import.name() + " (" + import.path() + "): " + outcome +
                    (rule == nullptr ? "" : ", by " + policy::place_of(*rule)));
}

// CPython has copied the function pointers of a module that was loaded unguarded; those copies
// would still lead past the guard.
void check_not_loaded_unguarded(const Request& request) {
    if (module_records::was_loaded_unguarded(request.path))
        throw shim::LoadError("module '" + request.name + "' (" + request.path +
                              ") was loaded without a guard and cannot be guarded any more; have "
                              "its first import guarded too");
}

// `plan` is null where the module is not guarded, whatever it is.
PyObject* load(State& state, PyObject* spec, PyObject* file, const Request& request,
               const shim::GuardPlan* plan) {
    if (const auto mismatch = policy::abi_mismatch(
            request.path,
            policy::AbiTag{PY_MAJOR_VERSION, PY_MINOR_VERSION, shim::free_threaded_build}))
        throw shim::LoadError("module '" + request.name + "' (" + request.path + ") " + *mismatch);
    if (is_guarding(plan))
        check_not_loaded_unguarded(request);
    shim::check_elf_file(request.path);
    const auto& functions = functions_for(plan);
    shim::PreparedImages images(request.path, dlopen_flags(), functions);
    Import import(state, request, plan, images.imports("PyUnstable_Module_SetGIL"));
    replace_export_function(import, images);
    PyObject* module = call_original(state, spec, file);
    // Neither of the two ways to create a module decided it: a single-phase module that could have
    // declared itself and did not, or one that CPython had cached.
    if (module != nullptr && import.verdict() == Verdict::unknown)
        import.legacy(LegacyReason::single_phase);
    if (module != nullptr && !import.refused() && !import.announce_if_due())
        import.refuse_with_raised();
    const bool switches_stacks = module != nullptr && stack_switcher::is_one(import);
    if (switches_stacks && import.verdict() == Verdict::legacy)
        import.refuse(stack_switcher::refusal(import));
    // What a module made before it failed or was refused may be in use, and calls CPython.
    const bool left_something = plan != nullptr && import.has_thunks() &&
                                (import.refused() || import.verdict() == Verdict::unknown);
    const bool is_guarded =
        !import.refused() && (import.verdict() == Verdict::legacy || import.shares());
    if (left_something || is_guarded)
        keep(images, plan);
    else if (!import.refused() && !switches_stacks)
        open_thunks(import);
    if (import.refused())
        return fail_with_refusal(import, module);
    if (switches_stacks && !is_guarded && !stack_switcher::adapt(import, module))
        Py_CLEAR(module);
    if (module != nullptr && !has_its_readers(module, plan)) {
        discard(import, module);
        return nullptr;
    }
    if (module != nullptr) {
        import.record();
        log_outcome(import);
    }
    return module;
}

#ifdef Py_GIL_DISABLED
// Init code runs as guarded as everything after it; so do constructors of C++ statics, which run
// inside dlopen.
PyObject* load_guarded(State& state, PyObject* spec, PyObject* file, const Request& request) {
    const shim::GuardPlan* plan = guard_plan_for(request.name, request.mode, request.decision);
    if (!is_guarding(plan))
        return load(state, spec, file, request, plan);
    if (!make_ready(*plan, state.original))
        return nullptr;
    shim::ExclusiveHold hold(plan->domain());
    PyObject* module = load(state, spec, file, request, plan);
    hold.leave();
    return module;
}
#else
PyObject* load_guarded(State& state, PyObject* spec, PyObject* file, const Request& request) {
    return load(state, spec, file, request, nullptr);
}
#endif

}  // namespace

PyObject* create_dynamic(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "create_dynamic expected 1 or 2 arguments, got %zd", count);
        return nullptr;
    }
    State& state = state_of(module);
    if (state.original == nullptr) {
        PyErr_SetString(PyExc_RuntimeError,
                        "pythonnogil._core.create_dynamic: call install() first");
        return nullptr;
    }
    PyObject* spec = arguments[0];
    PyObject* file = count == 2 ? arguments[1] : nullptr;
    const auto name = text_attribute(spec, "name");
    const auto path = text_attribute(spec, "origin");
    if (state.mode == Mode::off || !name || !path)
        return call_original(state, spec, file);
    return at_boundary(*name, *path, [&] {
        const Request request = request_for(state, *name, *path);
        return is_left_to_cpython(state, request) ? call_original(state, spec, file)
                                                  : load_guarded(state, spec, file, request);
    });
}

}  // namespace pythonnogil::loader
