#include "shim/import_in_progress.hpp"

#include <utility>

#ifdef Py_GIL_DISABLED
#include "shim/entry_origins.hpp"
#endif

namespace pythonnogil::shim {

namespace {

thread_local ImportInProgress* innermost = nullptr;

}  // namespace

const char* name_of(LegacyReason reason) {
    switch (reason) {
        case LegacyReason::undeclared:
            return "undeclared";
        case LegacyReason::explicit_gil:
            return "explicit";
        case LegacyReason::single_phase:
            return "single-phase";
        case LegacyReason::distrusted:
            return "distrusted";
    }
    return "undeclared";
}

void set_import_error(const std::string& message, const std::string& name,
                      const std::string& path) {
    PyObject* text = PyUnicode_DecodeFSDefault(message.c_str());
    PyObject* module = PyUnicode_FromString(name.c_str());
    PyObject* file = PyUnicode_DecodeFSDefault(path.c_str());
    if (text != nullptr && module != nullptr && file != nullptr)
        PyErr_SetImportError(text, module, file);
    Py_XDECREF(text);
    Py_XDECREF(module);
    Py_XDECREF(file);
}

ImportInProgress::ImportInProgress(std::string name, std::string path, Mode mode,
                                   policy::Decision decision, const GuardPlan* plan,
                                   bool can_declare_late)
    : name_(std::move(name)),
      path_(std::move(path)),
      mode_(mode),
      decision_(std::move(decision)),
      plan_(plan),
      can_declare_late_(can_declare_late),
      interpreter_(PyInterpreterState_Get()),
      outer_(innermost) {
#ifdef Py_GIL_DISABLED
    entry_origins::note(path_, name_);
#endif
    innermost = this;
}

ImportInProgress::~ImportInProgress() {
    innermost = outer_;
    Py_XDECREF(refusal_);
}

ImportInProgress* ImportInProgress::current() {
    return innermost;
}

bool ImportInProgress::declared() {
    if (distrusts())
        return legacy(LegacyReason::distrusted);
    verdict_ = Verdict::declared;
    return true;
}

bool ImportInProgress::legacy(LegacyReason reason) {
    if (verdict_ == Verdict::legacy)
        return !refused();
    reason_ = reason;
    if (decision_.trust == policy::Trust::trusted) {
        verdict_ = Verdict::trusted;
        return true;
    }
    if (decision_.trust == policy::Trust::shared) {
        refuse(
            policy::place_of(*decision_.rule) + ": trust: module '" + name_ + "' (" + path_ +
            ") does not declare that it is safe without the GIL, and only a module that does can "
            "be \"shared\"; leave its trust out");
        return false;
    }
    verdict_ = Verdict::legacy;
    if (admit(reason))
        return true;
    refuse_with_raised();
    return false;
}

void ImportInProgress::refuse(const std::string& message) {
    set_import_error(message, name_, path_);
    refusal_text_ = message;
    refuse_with_raised();
}

// An init function may replace or swallow the exception that it is refused with; the import fails
// with it all the same, so one reference is kept here.
void ImportInProgress::refuse_with_raised() {
    refused_ = true;
    if (runs_elsewhere())
        return;
    PyObject* raised = PyErr_GetRaisedException();
    Py_XSETREF(refusal_, Py_XNewRef(raised));
    PyErr_SetRaisedException(raised);
}

bool ImportInProgress::raise_refusal() {
    if (refusal_ != nullptr)
        PyErr_SetRaisedException(std::exchange(refusal_, nullptr));
    else if (!refusal_text_.empty())
        set_import_error(refusal_text_, name_, path_);
    else
        return false;
    return true;
}

}  // namespace pythonnogil::shim
