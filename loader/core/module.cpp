// The module pythonnogil._core: what the Python half of the loader asks of the native half.

#include <optional>
#include <string>
#include <vector>

#include "loader/core/entries.hpp"
#include "loader/core/errors.hpp"
#include "loader/core/life.hpp"
#include "loader/core/module_records.hpp"
#include "loader/core/observation.hpp"
#include "loader/core/policy_functions.hpp"
#include "loader/core/state.hpp"
#include "loader/core/statistics.hpp"
#include "loader/core/tracing.hpp"
#include "policy/abi_tag.hpp"
#include "policy/mode_selection.hpp"
#include "policy/policy_selection.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/exclusive_hold.hpp"
#include "shim/python_subclass.hpp"
#endif

namespace pythonnogil::loader {

State& state_of(PyObject* module) {
    return *static_cast<State*>(PyModule_GetState(module));
}

namespace {

// In the file system's encoding, in which every word of a command line can be written. Nothing with
// an exception set when `object` is not text.
std::optional<std::string> text_of(PyObject* object) {
    PyObject* bytes = PyUnicode_EncodeFSDefault(object);
    if (bytes == nullptr)
        return std::nullopt;
    std::string text(PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    return text;
}

// sys._xoptions: names to their values, or to True for those without one.
bool read_x_options(PyObject* dict, std::vector<policy::XOption>& options) {
    PyObject* name = nullptr;
    PyObject* value = nullptr;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict, &position, &name, &value)) {
        auto option_name = text_of(name);
        if (!option_name)
            return false;
        std::optional<std::string> option_value;
        if (value != Py_True && !(option_value = text_of(value)))
            return false;
        options.push_back({*option_name, option_value});
    }
    return true;
}

bool read_arguments(PyObject* list, std::vector<std::string>& arguments) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
        auto argument = text_of(PyList_GET_ITEM(list, i));
        if (!argument)
            return false;
        arguments.push_back(*argument);
    }
    return true;
}

// Nothing, with an exception set, when something in them is not text.
std::optional<std::vector<policy::XOption>> options_of(PyObject* x_options, PyObject* argv) {
    std::vector<policy::XOption> known;
    std::vector<std::string> words;
    if (!read_x_options(x_options, known) || !read_arguments(argv, words))
        return std::nullopt;
    return policy::collect_x_options(known, words);
}

PyObject* resolve_policy(PyObject*, PyObject* arguments) {
    PyObject* x_options = nullptr;
    PyObject* argv = nullptr;
    PyObject* environment = nullptr;
    if (!PyArg_ParseTuple(arguments, "O!O!O:resolve_policy", &PyDict_Type, &x_options, &PyList_Type,
                          &argv, &environment))
        return nullptr;
    const auto options = options_of(x_options, argv);
    const auto variable = environment == Py_None ? std::nullopt : text_of(environment);
    if (!options || PyErr_Occurred() != nullptr)
        return nullptr;
    return value_error_at_boundary([&]() -> PyObject* {
        const auto file = policy::select_policy_file(*options, variable);
        return file ? PyUnicode_DecodeFSDefault(file->c_str()) : Py_NewRef(Py_None);
    });
}

PyObject* resolve_mode(PyObject*, PyObject* arguments) {
    PyObject* x_options = nullptr;
    PyObject* argv = nullptr;
    const char* environment = nullptr;
    const char* mode_of_policy = nullptr;
    if (!PyArg_ParseTuple(arguments, "O!O!zz:resolve_mode", &PyDict_Type, &x_options, &PyList_Type,
                          &argv, &environment, &mode_of_policy))
        return nullptr;
    const auto options = options_of(x_options, argv);
    if (!options)
        return nullptr;
    policy::ModeRequest request{*options, std::nullopt};
    if (environment != nullptr)
        request.environment = environment;
    if (mode_of_policy != nullptr)
        request.policy = mode_from_name(mode_of_policy);
    try {
        const std::string_view name = mode_name(policy::select_mode(request));
        return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
    } catch (const policy::ModeError& error) {
        PyErr_SetString(PyExc_ValueError, error.what());
        return nullptr;
    }
}

// Attribute `attribute` of module `name`, which is imported if need be. New reference.
PyObject* imported_attribute(const char* name, const char* attribute) {
    PyObject* module = PyImport_ImportModule(name);
    PyObject* value = module == nullptr ? nullptr : PyObject_GetAttrString(module, attribute);
    Py_XDECREF(module);
    return value;
}

#ifdef Py_GIL_DISABLED
bool adopt_switch_interval() {
    PyObject* getter = PySys_GetObject("getswitchinterval");
    PyObject* seconds = getter == nullptr ? nullptr : PyObject_CallNoArgs(getter);
    const double value = seconds == nullptr ? -1.0 : PyFloat_AsDouble(seconds);
    Py_XDECREF(seconds);
    if (PyErr_Occurred() != nullptr)
        return false;
    if (value > 0)
        shim::set_switch_interval(value);
    return true;
}

bool prepare_guard() {
    return adopt_switch_interval() && shim::python_subclass::learn_from_interpreter();
}
#else
bool prepare_guard() {
    return true;
}
#endif

PyObject* install(PyObject* module, PyObject* arguments) {
    const char* name = nullptr;
    PyObject* announce = nullptr;
    PyObject* capsule = nullptr;
    int gil_is_on = 0;
    if (!PyArg_ParseTuple(arguments, "sOOp:install", &name, &announce, &capsule, &gil_is_on))
        return nullptr;
    const policy::Policy* policy = policy_in(capsule);
    if (policy == nullptr)
        return nullptr;
    const auto mode = mode_from_name(name);
    if (!mode) {
        PyErr_Format(PyExc_ValueError, "pythonnogil: unknown mode \"%s\"", name);
        return nullptr;
    }
    State& state = state_of(module);
    if (state.original == nullptr) {
        state.original = imported_attribute("pythonnogil._startup", "original_create_dynamic");
        if (state.original == nullptr || !follow_life())
            return nullptr;
    }
    if (!prepare_guard())
        return nullptr;
    Py_XSETREF(state.announce, Py_NewRef(announce));
    state.gil_is_on = gil_is_on != 0;
    state.policy = policy;
    state.mode = *mode;
    Py_RETURN_NONE;
}

PyObject* abi_mismatch(PyObject*, PyObject* path) {
    const auto name = text_of(path);
    if (!name)
        return nullptr;
    const policy::AbiTag own{PY_MAJOR_VERSION, PY_MINOR_VERSION, shim::free_threaded_build};
    const auto mismatch = policy::abi_mismatch(*name, own);
    if (!mismatch)
        Py_RETURN_NONE;
    return PyUnicode_FromStringAndSize(mismatch->data(), static_cast<Py_ssize_t>(mismatch->size()));
}

// CMake refuses to build for other processors and object formats, so whoever runs this is
// supported.
PyObject* platform_support(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

int traverse(PyObject* module, visitproc visit, void* arg) {
    const State& state = state_of(module);
    Py_VISIT(state.announce);
    Py_VISIT(state.original);
    return 0;
}

int clear(PyObject* module) {
    State& state = state_of(module);
    Py_CLEAR(state.announce);
    Py_CLEAR(state.original);
    return 0;
}

void free_state(void* module) {
    clear(static_cast<PyObject*>(module));
}

PyMethodDef methods[] = {
    {"resolve_mode", resolve_mode, METH_VARARGS,
     "resolve_mode($module, xoptions, orig_argv, environ, policy, /)\n--\n\n"
     "The mode that the command line, the environment or the policy file asks for."},
    {"resolve_policy", resolve_policy, METH_VARARGS,
     "resolve_policy($module, xoptions, orig_argv, environ, /)\n--\n\n"
     "The policy file that the command line or the environment names."},
    {"read_policy", read_policy, METH_VARARGS,
     "read_policy($module, file, shipped, /)\n--\n\nReads a policy file."},
    {"describe_policy", describe_policy, METH_O,
     "describe_policy($module, policy, /)\n--\n\nWhat a policy says of the process."},
    {"explain_policy", explain_policy, METH_VARARGS,
     "explain_policy($module, policy, name, /)\n--\n\nWhat a policy says of one module, and why."},
    {"install", install, METH_VARARGS,
     "install($module, mode, announce, policy, gil_is_on, /)\n--\n\n"
     "Sets the mode and the policy for the imports to come."},
    {"create_dynamic", _PyCFunction_CAST(create_dynamic), METH_FASTCALL,
     "create_dynamic($module, spec, file=<unrepresentable>, /)\n--\n\nCreate an extension module."},
    {"modules", modules, METH_NOARGS,
     "modules($module, /)\n--\n\nWhat became of every extension module."},
    {"record_overlaps", record_overlaps, METH_NOARGS,
     "record_overlaps($module, /)\n--\n\nRecords overlapping calls of unguarded modules."},
    {"overlaps", overlaps, METH_NOARGS,
     "overlaps($module, /)\n--\n\nWhich calls of unguarded modules overlapped."},
    {"watchdog_signal", watchdog_signal, METH_NOARGS,
     "watchdog_signal($module, /)\n--\n\nA signal that the watchdog can use."},
    {"start_watchdog", start_watchdog, METH_VARARGS,
     "start_watchdog($module, seconds, state_signal, signal, file, /)\n--\n\n"
     "Prints waits for a guard that are longer than that."},
    {"restart_watchdog", restart_watchdog, METH_O,
     "restart_watchdog($module, file, /)\n--\n\nGoes on in the child of a fork."},
    {"stop_watchdog", stop_watchdog, METH_NOARGS,
     "stop_watchdog($module, /)\n--\n\nEnds what start_watchdog began."},
    {"function_pointers", function_pointers, METH_O,
     "function_pointers($module, objects, /)\n--\n\nWhich functions of extensions they hold."},
    {"loaded_imports", loaded_imports, METH_O,
     "loaded_imports($module, path, /)\n--\n\nWhat a loaded extension imports."},
    {"abi_mismatch", abi_mismatch, METH_O,
     "abi_mismatch($module, path, /)\n--\n\nWhat is wrong with a file's name, or None."},
    {"platform_support", platform_support, METH_NOARGS,
     "platform_support($module, /)\n--\n\nNone, or why nothing can be guarded here."},
    {"start_recording", start_recording, METH_NOARGS,
     "start_recording($module, /)\n--\n\nCounts and measures guarded calls from now on."},
    {"stop_recording", stop_recording, METH_NOARGS,
     "stop_recording($module, /)\n--\n\nNo longer counts and measures guarded calls."},
    {"recording", recording, METH_NOARGS,
     "recording($module, /)\n--\n\nWhether guarded calls are counted and measured."},
    {"statistics", statistics, METH_NOARGS,
     "statistics($module, /)\n--\n\nWhat was recorded, by module and function."},
    {"start_trace", start_trace, METH_VARARGS,
     "start_trace($module, file, limit=..., /)\n--\n\nWrites waits and holds to a file."},
    {"stop_trace", stop_trace, METH_NOARGS, "stop_trace($module, /)\n--\n\nEnds that file."},
    {"name_thread", name_thread, METH_VARARGS,
     "name_thread($module, native_id, name, /)\n--\n\nNames a thread in the trace."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "pythonnogil._core",
    "The native core of pythonnogil.",
    sizeof(State),
    methods,
    slots,
    traverse,
    clear,
    free_state,
};

}  // namespace

}  // namespace pythonnogil::loader

PyMODINIT_FUNC PyInit__core() {
    return PyModuleDef_Init(&pythonnogil::loader::definition);
}
