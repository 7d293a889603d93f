// How the entries of one module are guarded: in which domain, and how each of them enters it.
//
// A plan is made for each import and lives for ever. The plan of code that registers functions
// later is found by the image that the functions lie in.
//
// Thread-safety: any thread; one mutex in guard_plan.cpp, never held while Python or legacy code
// runs. A plan's domain changes only when it is merged into another; its other members never
// change, but for the note that a reader was found. Errors: none.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "shim/domain.hpp"
#include "shim/elf_image.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

// The name of a function as policy and reports know it: "lookup", or "Template.render".
std::string qualified_name(const char* type_name, const char* function_name);

class GuardPlan {
  public:
    struct Settings {
        std::string module;
        Domain* domain;
        Access access = Access::exclusive;
        std::vector<std::string> readers = {};  // qualified names; these enter shared
        bool locks_arguments = true;
        std::string place = {};  // of the rule, for messages
    };

    explicit GuardPlan(Settings settings);
    GuardPlan(const GuardPlan&) = delete;
    GuardPlan& operator=(const GuardPlan&) = delete;

    const std::string& module() const { return settings_.module; }
    Domain& domain() const { return *domain_.load(std::memory_order_relaxed); }
    Access access() const { return settings_.access; }

    // Whether its entries get thunks that keep nobody out.
    bool only_witnesses() const { return settings_.access == Access::witnessed; }

    // "file:line" of the rule that made the plan; empty for the standard one.
    const std::string& place() const { return settings_.place; }

    // How the function with this qualified name is guarded. One without a receiver, such as a
    // callback, can not be guarded by the object that it is called on.
    Guarding guarding_of(const std::string& name, bool has_receiver) const;

    // To be called when the module has been executed. False, with ImportError set, when policy
    // names a reader that it does not have.
    bool check_readers() const;

  private:
    friend void merge_domains(Domain& one, Domain& other);

    struct Reader {
        std::string name;
        std::atomic<bool> found{false};
    };

    Settings settings_;
    std::atomic<Domain*> domain_;
    mutable std::vector<Reader> readers_;
};

namespace guard_plans {

// The plan for everything in the process domain, with nothing special.
const GuardPlan& standard();

// Code in these images registers functions under this plan from now on. Images that already have
// another plan, because modules share a library, bring the two plans' domains together.
void assign(std::span<const ElfImage> images, const GuardPlan& plan);

// Whether there is any other plan than the standard one. One relaxed load.
bool are_various();

// The plan of the image that the address lies in; null when it lies in none.
const GuardPlan* of(const void* address);

// The same for code that is running: an image that is being imported has no plan yet, so the plan
// of the import counts.
const GuardPlan* of_running(const void* address);

}  // namespace guard_plans

// From now on calls into the one domain enter the other; the process domain always stays. Calls
// that are inside finish as they began.
void merge_domains(Domain& one, Domain& other);

}  // namespace pythonnogil::shim
