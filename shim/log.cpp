#include "shim/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace pythonnogil::shim {

namespace {

spdlog::level::level_enum requested_level(spdlog::logger& logger) {
    const char* name = std::getenv("PYTHONNOGIL_LOG");
    if (name == nullptr || *name == '\0')
        return spdlog::level::warn;
    const auto level = spdlog::level::from_str(name);
    if (level != spdlog::level::off || std::string(name) == "off")
        return level;
    logger.warn(
        "unknown level \"{}\" in PYTHONNOGIL_LOG; choose one of debug, info, warn, error, off",
        name);
    return spdlog::level::warn;
}

// Never destroyed: modules may be imported while the process ends.
spdlog::logger& logger() {
    static spdlog::logger* const instance = [] {
        auto* made =
            new spdlog::logger("pythonnogil", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("pythonnogil: %l: %v");
        made->set_level(requested_level(*made));
        return made;
    }();
    return *instance;
}

}  // namespace

void log_debug(const std::string& event) {
    logger().debug(event);
}

void log_warning(const std::string& event) {
    logger().warn(event);
}

}  // namespace pythonnogil::shim
