#include "shim/guard_plan.hpp"

#include <algorithm>
#include <mutex>

#include "shim/import_in_progress.hpp"
#include "shim/log.hpp"

namespace pythonnogil::shim {

namespace {

struct PlannedImage {
    ElfImage image;
    const GuardPlan* plan;
};

struct Plans {
    std::mutex mutex;  // guards the members below; the count is also read without it
    std::vector<GuardPlan*> all;
    std::vector<PlannedImage> images;
    std::atomic<std::size_t> count{0};
};

// Never destroyed: callbacks may be registered while the process ends.
Plans& plans() {
    static auto* const instance = new Plans;
    return *instance;
}

const GuardPlan* find_locked(const void* address) {
    const auto place = std::ranges::find_if(
        plans().images, [&](const PlannedImage& known) { return known.image.contains(address); });
    return place == plans().images.end() ? nullptr : place->plan;
}

// Notes the plan of images that have none yet. The plans that the others have are returned.
std::vector<const GuardPlan*> take_over(std::span<const ElfImage> images, const GuardPlan& plan) {
    std::vector<const GuardPlan*> others;
    const std::lock_guard lock(plans().mutex);
    for (const ElfImage& image : images) {
        const auto place = std::ranges::find_if(plans().images, [&](const PlannedImage& known) {
            return known.image.base() == image.base();
        });
        if (place == plans().images.end())
            plans().images.push_back({image, &plan});
        else if (place->plan->only_witnesses())
            place->plan = &plan;
        else if (place->plan != &plan)
            others.push_back(place->plan);
    }
    return others;
}

}  // namespace

std::string qualified_name(const char* type_name, const char* function_name) {
    if (type_name == nullptr)
        return function_name;
    const std::string type(type_name);
    const std::size_t dot = type.rfind('.');
    return (dot == std::string::npos ? type : type.substr(dot + 1)) + "." + function_name;
}

GuardPlan::GuardPlan(Settings settings)
    : settings_(std::move(settings)),
      domain_(settings_.domain),
      readers_(settings_.readers.size()) {
    for (std::size_t i = 0; i < readers_.size(); ++i)
        readers_[i].name = settings_.readers[i];
    const std::lock_guard lock(plans().mutex);
    domain_.store(&settings_.domain->current(), std::memory_order_relaxed);
    plans().all.push_back(this);
    plans().count.store(plans().all.size(), std::memory_order_relaxed);
}

Guarding GuardPlan::guarding_of(const std::string& name, bool has_receiver) const {
    Guarding guarding{&domain(), settings_.access, settings_.locks_arguments};
    if (guarding.access == Access::receiver && !has_receiver)
        guarding.access = Access::exclusive;
    if (guarding.access == Access::witnessed) {
        if (has_receiver)
            guarding.access = Access::witnessed_on_receiver;
        return guarding;
    }
    const auto reader = std::ranges::find(readers_, name, &Reader::name);
    if (reader != readers_.end()) {
        reader->found.store(true, std::memory_order_relaxed);
        guarding.access = Access::shared;
    }
    return guarding;
}

bool GuardPlan::check_readers() const {
    const auto missing =
        std::ranges::find_if(readers_, [](const Reader& reader) { return !reader.found.load(); });
    if (missing == readers_.end())
        return true;
    set_import_error(place() + ": readers: module " + module() + " has no function \"" +
                         missing->name +
                         "\"; name a function of the module, or a method as \"Type.method\"",
                     module(), "");
    return false;
}

namespace guard_plans {

const GuardPlan& standard() {
    static auto* const plan = new GuardPlan({.module = "", .domain = &process_domain()});
    return *plan;
}

void assign(std::span<const ElfImage> images, const GuardPlan& plan) {
    for (const GuardPlan* other : take_over(images, plan)) {
        if (&other->domain() == &plan.domain() || plan.only_witnesses())
            continue;
        log_debug("modules " + plan.module() + " and " + other->module() +
                  " share a library, so they form one group");
        merge_domains(plan.domain(), other->domain());
    }
}

bool are_various() {
    return plans().count.load(std::memory_order_relaxed) > 1;
}

const GuardPlan* of(const void* address) {
    const std::lock_guard lock(plans().mutex);
    return find_locked(address);
}

const GuardPlan* of_running(const void* address) {
    const GuardPlan* const plan = of(address);
    if (plan != nullptr && !plan->only_witnesses())
        return plan;
    const ImportInProgress* import = ImportInProgress::current();
    return import != nullptr && import->puts_thunks() ? &import->plan() : plan;
}

}  // namespace guard_plans

void merge_domains(Domain& one, Domain& other) {
    const std::lock_guard lock(plans().mutex);
    Domain* from = &one.current();
    Domain* into = &other.current();
    if (from == into)
        return;
    if (from == &process_domain())
        std::swap(from, into);
    from->become_part_of(*into);
    for (GuardPlan* plan : plans().all) {
        if (&plan->domain() == from)
            plan->domain_.store(into, std::memory_order_relaxed);
    }
    thunk_pool::move_entries(*from, *into);
}

}  // namespace pythonnogil::shim
