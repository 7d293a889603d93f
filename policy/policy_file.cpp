#include "policy/policy_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "policy/rule_checks.hpp"
#include "policy/wording.hpp"

// Malformed files reach assertions of toml++ 3.3, in parse_key() for one. Built with NDEBUG it
// would take what they assert for granted and go on with undefined behaviour; here they throw.
namespace pythonnogil::policy {
struct FailedAssertion {};
[[noreturn]] static void fail_assertion() {
    throw FailedAssertion();
}
}  // namespace pythonnogil::policy
#undef NDEBUG
#define TOML_MAX_NESTED_VALUES 16
#define TOML_ASSERT(condition) \
    (static_cast<bool>(condition) ? void() : ::pythonnogil::policy::fail_assertion())
#include <toml++/toml.h>

namespace pythonnogil::policy {

namespace {

constexpr std::int64_t newest_version = 1;
// Far more than anyone writes by hand, and little enough to be read without a thought.
constexpr std::size_t biggest_file = std::size_t{1} << 20;
// Each dot of a key opens a table inside a table, and toml++ takes them down by recursion.
constexpr std::ptrdiff_t most_dots_in_a_line = 200;

constexpr std::array<std::string_view, 4> file_keys{"version", "mode", "shipped", "module"};
constexpr std::array<std::string_view, 9> rule_keys{
    "match", "scope", "group", "readers", "trust", "mode", "lock-arguments", "reason", "link"};

std::string type_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a number";
        case toml::node_type::boolean:
            return "a boolean";
        default:
            return "a date or time";
    }
}

template <typename Table, std::size_t... index>
constexpr auto names_in(const Table& table, std::index_sequence<index...>) {
    return std::array<std::string_view, sizeof...(index)>{table[index].name...};
}

constexpr auto mode_names = names_in(named_modes, std::make_index_sequence<named_modes.size()>());
constexpr auto scope_names =
    names_in(named_scopes, std::make_index_sequence<named_scopes.size()>());
constexpr auto trust_names =
    names_in(named_trusts, std::make_index_sequence<named_trusts.size()>());

// Turns what toml++ understood into rules; knows the name of the file for its messages.
class FileReader {
  public:
    explicit FileReader(const std::string& name) : name_(name) {}

    PolicyFile read(const toml::table& file) const {
        check_version(file);
        check_keys(file, file_keys, "at the top of the file");
        PolicyFile result;
        result.mode = named_value(file, "mode", mode_names, mode_from_name);
        result.shipped = boolean(file, "shipped").value_or(true);
        if (const toml::node* rules = file.get("module")) {
            read_rules(*rules, result.rules);
        }
        return result;
    }

    [[noreturn]] void fail(const toml::source_region& where, const std::string& what) const {
        throw PolicyError(printable(name_) + ':' + std::to_string(where.begin.line) + ':' +
                          std::to_string(where.begin.column) + ": " + what);
    }

  private:
    // Before all else: a file of a newer version may have keys that nobody here knows.
    void check_version(const toml::table& file) const {
        const toml::node* node = file.get("version");
        if (node == nullptr) {
            throw PolicyError(printable(name_) + ": version: missing; write version = 1");
        }
        const auto version = node->value_exact<std::int64_t>();
        if (!version) {
            fail(node->source(), "version: found " + type_of(*node) + "; write version = 1");
        }
        if (*version > newest_version) {
            fail(node->source(), "version: " + std::to_string(*version) +
                                     " is newer than this pythonnogil knows; use a newer "
                                     "pythonnogil, or write version = 1");
        }
        if (*version < 1) {
            fail(node->source(), "version: there is no version " + std::to_string(*version) +
                                     "; write version = 1");
        }
    }

    void check_keys(const toml::table& table, std::span<const std::string_view> known,
                    const std::string& where) const {
        for (const auto& [key, node] : table) {
            if (std::ranges::find(known, key.str()) != known.end()) {
                continue;
            }
            std::string what = "unknown key " + quoted(key.str()) + ' ' + where + "; ";
            if (nearest(key.str(), known).empty() && known.size() == file_keys.size() &&
                std::ranges::find(rule_keys, key.str()) != rule_keys.end()) {
                fail(key.source(), what + "it belongs below [[module]]");
            }
            fail(key.source(), what + advice(key.str(), known));
        }
    }

    void read_rules(const toml::node& node, std::vector<Rule>& rules) const {
        const toml::array* tables = node.as_array();
        if (tables == nullptr) {
            fail(node.source(), "module: found " + type_of(node) + "; write [[module]]");
        }
        for (const toml::node& element : *tables) {
            const toml::table* table = element.as_table();
            if (table == nullptr) {
                fail(element.source(), "module: found " + type_of(element) + "; write [[module]]");
            }
            rules.push_back(read_rule(*table));
        }
    }

    Rule read_rule(const toml::table& table) const {
        check_keys(table, rule_keys, "in [[module]]");
        Settings settings;
        settings.scope = named_value(table, "scope", scope_names, scope_from_name);
        settings.group = text(table, "group").value_or("");
        settings.readers = readers(table);
        settings.trust = named_value(table, "trust", trust_names, trust_from_name);
        settings.mode = named_value(table, "mode", mode_names, mode_from_name);
        settings.lock_arguments = boolean(table, "lock-arguments");
        Rule rule{ModulePattern(match(table)),
                  std::move(settings),
                  text(table, "reason").value_or(""),
                  text(table, "link").value_or(""),
                  name_,
                  table.source().begin.line};
        if (const auto problem = problem_of(rule)) {
            const toml::node* culprit = table.get(problem->key);
            fail((culprit == nullptr ? table : *culprit).source(),
                 std::string(problem->key) + ": " + problem->what);
        }
        return rule;
    }

    std::string match(const toml::table& table) const {
        const auto pattern = text(table, "match");
        if (!pattern) {
            fail(table.source(), "match: missing; write match = \"MODULE\" below [[module]]");
        }
        if (const auto problem = ModulePattern::problem_of(*pattern)) {
            fail(table.get("match")->source(), "match: " + quoted(*pattern) + ' ' + *problem);
        }
        return *pattern;
    }

    std::vector<std::string> readers(const toml::table& table) const {
        const toml::node* node = table.get("readers");
        if (node == nullptr) {
            return {};
        }
        if (!node->is_array()) {
            fail(node->source(), "readers: found " + type_of(*node) +
                                     "; write an array such as [\"lookup\", \"Type.method\"]");
        }
        std::vector<std::string> names;
        for (const toml::node& element : *node->as_array()) {
            names.push_back(reader(element, names));
        }
        std::ranges::sort(names);
        return names;
    }

    std::string reader(const toml::node& node, const std::vector<std::string>& earlier) const {
        const auto name = node.value_exact<std::string>();
        if (!name) {
            fail(node.source(), "readers: found " + type_of(node) +
                                    "; write names of functions such as \"lookup\"");
        }
        if (!is_function_name(*name)) {
            fail(node.source(), "readers: " + quoted(*name) +
                                    " is no name of a function; write \"function\" or "
                                    "\"Type.method\", without the module");
        }
        if (std::ranges::find(earlier, *name) != earlier.end()) {
            fail(node.source(), "readers: " + quoted(*name) + " is there twice");
        }
        return *name;
    }

    std::optional<std::string> text(const toml::table& table, std::string_view key) const {
        const toml::node* node = table.get(key);
        if (node == nullptr) {
            return std::nullopt;
        }
        auto value = node->value_exact<std::string>();
        if (!value) {
            fail(node->source(),
                 std::string(key) + ": found " + type_of(*node) + "; write a string in quotes");
        }
        if (value->empty()) {
            fail(node->source(), std::string(key) + ": is empty; leave it out or fill it in");
        }
        return value;
    }

    std::optional<bool> boolean(const toml::table& table, std::string_view key) const {
        const toml::node* node = table.get(key);
        if (node == nullptr) {
            return std::nullopt;
        }
        const auto value = node->value_exact<bool>();
        if (!value) {
            fail(node->source(),
                 std::string(key) + ": found " + type_of(*node) + "; write true or false");
        }
        return value;
    }

    template <typename FromName>
    auto named_value(const toml::table& table, std::string_view key,
                     std::span<const std::string_view> names, FromName from_name) const
        -> decltype(from_name({})) {
        const auto name = text(table, key);
        if (!name) {
            return std::nullopt;
        }
        const auto value = from_name(*name);
        if (!value) {
            fail(table.get(key)->source(), std::string(key) + ": unknown value " + quoted(*name) +
                                               "; " + advice(*name, names));
        }
        return value;
    }

    const std::string& name_;
};

[[noreturn]] void fail_to_read(const std::string& path, const std::string& why) {
    throw PolicyError(printable(path) + ": cannot be read: " + why);
}

std::string content_of(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                               &std::fclose);
    if (file == nullptr) {
        fail_to_read(path, std::strerror(errno));
    }
    std::string content(biggest_file + 1, '\0');
    content.resize(std::fread(content.data(), 1, content.size(), file.get()));
    if (std::ferror(file.get()) != 0) {
        fail_to_read(path, std::strerror(errno));
    }
    if (content.size() > biggest_file) {
        fail_to_read(path, "it is bigger than 1 MiB");
    }
    return content;
}

void check_dots(std::string_view text, const std::string& name) {
    std::size_t line = 1;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1);
        if (std::ranges::count(text.substr(0, end + 1), '.') > most_dots_in_a_line) {
            throw PolicyError(printable(name) + ':' + std::to_string(line) +
                              ": more than 200 dots in one line; no key is that deep");
        }
        text.remove_prefix(end + 1);
        ++line;
    }
}

}  // namespace

PolicyFile read_policy_file(const std::string& path) {
    return parse_policy(content_of(path), path);
}

PolicyFile parse_policy(std::string_view text, const std::string& name) {
    check_dots(text, name);
    const FileReader reader(name);
    PolicyFile file;
    try {
        file = reader.read(toml::parse(text));
    } catch (const toml::parse_error& error) {
        reader.fail(error.source(), "not TOML: " + printable(error.description()));
    } catch (const FailedAssertion&) {
        throw PolicyError(printable(name) + ": not TOML: a key or value is not in its place");
    }
    check_rules_together(file.rules);
    return file;
}

}  // namespace pythonnogil::policy
