/* For traits 6.4: CPython 3.13 has the trashcan macros under newer names only. Without them deeply
 * nested objects are deallocated recursively, which its tests do not put to the proof. Included
 * first by the option -include. */
#include <Python.h>
#define Py_TRASHCAN_SAFE_BEGIN(object)
#define Py_TRASHCAN_SAFE_END(object)
