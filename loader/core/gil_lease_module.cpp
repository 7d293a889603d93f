// The module _gil_lease, which is in the same file as pythonnogil._core: the keeper of the GIL
// lease loads it over and over, and sits in its init function. Nobody else has a use for it.

#include "shim/compat.hpp"

#ifdef Py_GIL_DISABLED

#include "shim/gil_lease.hpp"

PyMODINIT_FUNC PyInit__gil_lease() {
    return pythonnogil::shim::gil_lease::sit_in_init_function();
}

#endif
