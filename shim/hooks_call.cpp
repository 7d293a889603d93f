// The variadic calls. Their arguments are collected as CPython collects them, because a C function
// can not hand its variadic arguments on.

#include <cstdarg>
#include <vector>

#include "shim/call_out.hpp"
#include "shim/hooks.hpp"

namespace pythonnogil::shim::hooks {

namespace {

using Objects = std::vector<PyObject*>;

Objects until_null(std::va_list arguments) {
    Objects objects;
    while (auto* object = va_arg(arguments, PyObject*))
        objects.push_back(object);
    return objects;
}

// The positional arguments that a format string describes, as a tuple: a format that makes one
// tuple stands for its items. New reference, or null with an exception set.
PyObject* tuple_of(const char* format, std::va_list arguments) {
    if (format == nullptr || *format == '\0')
        return PyTuple_New(0);
    PyObject* value = Py_VaBuildValue(format, arguments);
    if (value == nullptr || PyTuple_Check(value))
        return value;
    PyObject* tuple = PyTuple_Pack(1, value);
    Py_DECREF(value);
    return tuple;
}

// Consumes `callable` and `arguments`; null passes.
PyObject* call_with(PyObject* callable, PyObject* arguments) {
    PyObject* result = nullptr;
    if (callable != nullptr && arguments != nullptr) {
        CallOut call_out(callable);
        result = PyObject_Call(callable, arguments, nullptr);
        call_out.returned();
    }
    Py_XDECREF(callable);
    Py_XDECREF(arguments);
    return result;
}

// False, with CPython's own words for it, when it is none; the reference is consumed then.
bool is_callable(PyObject* attribute) {
    if (PyCallable_Check(attribute) != 0)
        return true;
    PyErr_Format(PyExc_TypeError, "attribute of type '%.200s' is not callable",
                 Py_TYPE(attribute)->tp_name);
    Py_DECREF(attribute);
    return false;
}

PyObject* null_error() {
    if (PyErr_Occurred() == nullptr)
        PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
    return nullptr;
}

}  // namespace

PyObject* PyObject_CallFunction(PyObject* callable, const char* format, ...) {
    if (callable == nullptr)
        return null_error();
    std::va_list arguments;
    va_start(arguments, format);
    PyObject* tuple = tuple_of(format, arguments);
    va_end(arguments);
    return call_with(Py_NewRef(callable), tuple);
}

PyObject* PyObject_CallMethod(PyObject* object, const char* name, const char* format, ...) {
    if (object == nullptr || name == nullptr)
        return null_error();
    PyObject* callable = CallOutTo<&PyObject_GetAttrString>::call(object, name);
    if (callable == nullptr || !is_callable(callable))
        return nullptr;
    std::va_list arguments;
    va_start(arguments, format);
    PyObject* tuple = tuple_of(format, arguments);
    va_end(arguments);
    return call_with(callable, tuple);
}

PyObject* PyObject_CallFunctionObjArgs(PyObject* callable, ...) {
    if (callable == nullptr)
        return null_error();
    std::va_list arguments;
    va_start(arguments, callable);
    const Objects objects = until_null(arguments);
    va_end(arguments);
    return CallOutTo<&PyObject_Vectorcall>::call(callable, objects.data(), objects.size(), nullptr);
}

PyObject* PyObject_CallMethodObjArgs(PyObject* object, PyObject* name, ...) {
    if (object == nullptr || name == nullptr)
        return null_error();
    std::va_list arguments;
    va_start(arguments, name);
    Objects objects = until_null(arguments);
    va_end(arguments);
    objects.insert(objects.begin(), object);
    return CallOutTo<&PyObject_VectorcallMethod>::call(name, objects.data(), objects.size(),
                                                       nullptr);
}

}  // namespace pythonnogil::shim::hooks
