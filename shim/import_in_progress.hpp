// The import that the running thread is in the middle of, as far as the answers to CPython depend
// on it.
//
// The loader makes one around CPython's own create_dynamic. The interposed functions that see what
// a module declares find it here, and ask it whether the module may go on.
//
// Thread-safety: belongs to one thread; imports nest.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "shim/compat.hpp"

namespace pythonnogil::shim {

class GuardPlan;

// Why a module counts as legacy.
enum class LegacyReason {
    undeclared,    // multi-phase, without a Py_mod_gil slot
    explicit_gil,  // multi-phase, with a slot that says Py_MOD_GIL_USED
    single_phase,  // single-phase, and PyUnstable_Module_SetGIL was not called
    distrusted,    // declares that it is safe, but the policy says otherwise
};

const char* name_of(LegacyReason reason);

// Sets ImportError with a message, the module's name and its path.
void set_import_error(const std::string& message, const std::string& name, const std::string& path);

enum class Verdict {
    unknown,
    declared,
    legacy,
    trusted,  // does not declare that it is safe, but the policy says so
};

class ImportInProgress {
  public:
    // `mode` is the one for this module; `decision` is the rest of what the policy says of it.
    // `plan` says how the module is guarded if it is legacy; null: not at all.
    ImportInProgress(std::string name, std::string path, Mode mode, policy::Decision decision,
                     const GuardPlan* plan, bool can_declare_late);
    virtual ~ImportInProgress();
    ImportInProgress(const ImportInProgress&) = delete;
    ImportInProgress& operator=(const ImportInProgress&) = delete;

    // The innermost import of this thread, or null.
    static ImportInProgress* current();

    // Records that the module declares that it is safe without the GIL, which makes a distrusted
    // one legacy. False as for legacy().
    bool declared();

    // Records that the module is legacy, or, if the policy trusts it, that it need not be. False,
    // with a Python exception set and remembered: it must not be loaded.
    bool legacy(LegacyReason reason);

    // Refuses the module: sets ImportError with this message, and remembers it.
    void refuse(const std::string& message);

    // Refuses the module with the exception that is set.
    void refuse_with_raised();

    // Sets the exception of the refusal once more, in the interpreter that imports. False when it
    // has to be made anew there.
    bool raise_refusal();
    bool refused() const { return refused_; }

    // CPython runs init functions in the main interpreter, whichever one imports. An exception of
    // the one must not get into the other.
    bool runs_elsewhere() const { return PyInterpreterState_Get() != interpreter_; }

    // Of a module that can declare late, thunks are remembered, to be opened if it does.
    void remember_thunk(void* thunk) {
        has_thunks_ = true;
        if (can_declare_late_)
            thunks_.push_back(thunk);
    }
    bool has_thunks() const { return has_thunks_; }
    const std::vector<void*>& thunks() const { return thunks_; }

    ExportedModule& exported() { return exported_; }

    const std::string& name() const { return name_; }
    const std::string& path() const { return path_; }
    Verdict verdict() const { return verdict_; }
    LegacyReason reason() const { return reason_; }
    Mode mode() const { return mode_; }
    const policy::Decision& decision() const { return decision_; }
    // Whether the module's entries are guarded if it is legacy, or left alone.
    bool guards() const {
        return plan_ != nullptr && mode_ == Mode::gil && decision_.scope != policy::Scope::none;
    }
    // Whether they get thunks, which may only witness the calls.
    bool puts_thunks() const { return plan_ != nullptr; }
    const GuardPlan& plan() const { return *plan_; }
    // Whether a module that declares that it is safe is yet kept apart from legacy code.
    bool shares() const { return guards() && decision_.trust == policy::Trust::shared; }
    bool distrusts() const { return decision_.trust == policy::Trust::distrusted; }
    // A single-phase module may declare itself after it was created, if it imports the function for
    // that.
    bool can_declare_late() const { return can_declare_late_; }

  protected:
    // Asks whether a legacy module may go on; false with a Python exception set when not.
    virtual bool admit(LegacyReason reason) = 0;

  private:
    std::string name_;
    std::string path_;
    Mode mode_;
    policy::Decision decision_;
    const GuardPlan* plan_;
    bool can_declare_late_;
    Verdict verdict_ = Verdict::unknown;
    LegacyReason reason_ = LegacyReason::undeclared;
    bool refused_ = false;
    PyObject* refusal_ = nullptr;  // strong, or null when the refusal came from elsewhere
    std::string refusal_text_;     // of refuse()
    PyInterpreterState* interpreter_;
    std::vector<void*> thunks_;
    bool has_thunks_ = false;
    ExportedModule exported_;
    ImportInProgress* outer_;
};

}  // namespace pythonnogil::shim
