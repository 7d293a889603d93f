#include "shim/domain.hpp"

#include <pthread.h>

#include <map>
#include <mutex>
#include <string>

#include "shim/exclusive_hold.hpp"

namespace pythonnogil::shim {

namespace {

constinit Domain the_process_domain("process");

struct NamedDomains {
    std::mutex mutex;  // guards the map; never held while Python code runs
    std::map<std::string, Domain*> by_name;
};

// Never destroyed, like the domains in it.
NamedDomains& named_domains() {
    static auto* const instance = new NamedDomains;
    return *instance;
}

// The child of a fork has one thread. Without this a domain that another thread held would stay
// locked for ever.
void after_fork_in_child() {
    ReaderSlots::Registry::forget_other_threads();
    for_each_domain([](Domain& domain) {
        domain.reset_after_fork(ExclusiveHold::in_force(domain),
                                ExclusiveHold::count_of_this_thread(domain));
    });
    named_domains().mutex.unlock();
}

void before_fork() {
    named_domains().mutex.lock();
}

void after_fork_in_parent() {
    named_domains().mutex.unlock();
}

}  // namespace

Domain& process_domain() {
    static const int registered =
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    (void)registered;
    return the_process_domain;
}

Domain& named_domain(const std::string& name) {
    process_domain();
    NamedDomains& domains = named_domains();
    const std::lock_guard lock(domains.mutex);
    const auto [place, is_new] = domains.by_name.try_emplace(name, nullptr);
    if (is_new)
        place->second = new Domain(place->first.c_str());
    return *place->second;
}

std::vector<Domain*> all_domains() {
    std::vector<Domain*> all;
    const std::lock_guard lock(named_domains().mutex);
    for_each_domain([&](Domain& domain) { all.push_back(&domain); });
    return all;
}

void for_each_domain(const std::function<void(Domain&)>& visit) {
    visit(the_process_domain);
    for (const auto& [name, domain] : named_domains().by_name)
        visit(*domain);
}

}  // namespace pythonnogil::shim
