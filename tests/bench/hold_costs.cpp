// What the guard's exclusive hold costs beside the critical section that it is made of, both taken
// and left in the same loop. Declares that it is safe, so nothing else is in the way.

#include <ctime>

#include "shim/exclusive_hold.hpp"
#include "shim/ticks.hpp"

namespace {

using pythonnogil::shim::Domain;
using pythonnogil::shim::ExclusiveHold;

Domain domain("benchmark");

double seconds_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <typename Operation>
PyObject* seconds_of_one(PyObject* count_object, Operation operation) {
    const long count = PyLong_AsLong(count_object);
    if (count <= 0)
        return PyErr_Occurred() != nullptr
                   ? nullptr
                   : PyErr_Format(PyExc_ValueError, "the count must be positive");
    const double start = seconds_now();
    for (long i = 0; i < count; ++i)
        operation();
    return PyFloat_FromDouble((seconds_now() - start) / static_cast<double>(count));
}

// Taken and left as a guarded call does it.
PyObject* hold(PyObject*, PyObject* count) {
    return seconds_of_one(count, [] {
        ExclusiveHold hold(domain);
        hold.leave();
    });
}

// What recording cannot do without: the time before and after.
PyObject* timed_hold(PyObject*, PyObject* count) {
    std::uint64_t total = 0;
    PyObject* seconds = seconds_of_one(count, [&total] {
        const std::uint64_t begin = pythonnogil::shim::ticks::read_counter();
        ExclusiveHold hold(domain);
        hold.leave();
        total += pythonnogil::shim::ticks::read_counter() - begin;
    });
    asm volatile("" : : "r"(total));
    return seconds;
}

PyObject* section(PyObject* module, PyObject* count) {
    return seconds_of_one(count, [module] {
        PyCriticalSection section;
        PyCriticalSection_Begin(&section, module);
        PyCriticalSection_End(&section);
    });
}

PyMethodDef functions[] = {
    {"hold", hold, METH_O, "hold(count): seconds to take and leave an exclusive hold"},
    {"timed_hold", timed_hold, METH_O, "timed_hold(count): the same with the time read twice"},
    {"section", section, METH_O, "section(count): seconds to begin and end a critical section"},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "hold_costs", nullptr, 0, functions, slots, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit_hold_costs() {
    return PyModuleDef_Init(&definition);
}
