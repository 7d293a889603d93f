/*
 * letter_template: form letters with {named} fields, safe without the GIL.
 *
 * The legacy extension in ../template_cache, ported: still single-phase initialisation and a static
 * type, but nothing that several threads share is changed without their knowing. README.md in this
 * folder goes through the differences. Needs C11, for its counters.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdatomic.h>
#include <string.h>

#include "pythonnogil.h"

/* ---- field names, shared by all templates ------------------------------------------------- */

#define MAX_FIELDS 64
#define MAX_NAME 32

/* A tuple of str. Nobody changes it: to add a name, a longer tuple takes its place. */
static PythonNogilAtomicRef field_names;
static atomic_long field_uses[MAX_FIELDS];

static atomic_long templates_parsed;
static atomic_long letters_expanded;
static atomic_long characters_written;

enum { FAILED = -1, NOT_FOUND = -2, OVERTAKEN = -3 };

static int find_field(PyObject* names, PyObject* name) {
    Py_ssize_t i;

    for (i = 0; i < PyTuple_GET_SIZE(names); i++) {
        if (PyUnicode_Compare(PyTuple_GET_ITEM(names, i), name) == 0)
            return (int)i;
    }
    return NOT_FOUND;
}

static int add_field(PyObject* names, PyObject* name) {
    Py_ssize_t i, count = PyTuple_GET_SIZE(names);
    PyObject* longer;
    int added;

    if (count == MAX_FIELDS) {
        PyErr_SetString(PyExc_ValueError, "too many different field names");
        return FAILED;
    }
    longer = PyTuple_New(count + 1);
    if (longer == NULL)
        return FAILED;
    for (i = 0; i <= count; i++) {
        PyObject* item = i < count ? PyTuple_GET_ITEM(names, i) : name;
        Py_INCREF(item);
        PyTuple_SET_ITEM(longer, i, item);
    }
    added = pythonnogil_atomic_ref_compare_and_set(&field_names, names, longer);
    Py_DECREF(longer);
    return added ? (int)count : OVERTAKEN;
}

static int find_or_add_field(const char* text, Py_ssize_t length) {
    PyObject* name;
    int field = OVERTAKEN;

    if (length >= MAX_NAME) {
        PyErr_SetString(PyExc_ValueError, "template has a field name that is too long");
        return FAILED;
    }
    name = PyUnicode_DecodeUTF8(text, length, "strict");
    if (name == NULL)
        return FAILED;
    while (field == OVERTAKEN) {
        PyObject* names = pythonnogil_atomic_ref_get(&field_names);
        field = find_field(names, name);
        if (field == NOT_FOUND)
            field = add_field(names, name);
        Py_DECREF(names);
    }
    Py_DECREF(name);
    return field;
}

/* ---- parsing ------------------------------------------------------------------------------ */

typedef struct {
    const char* text; /* points into the source string */
    Py_ssize_t length;
    int field; /* the field that follows the text, or -1 at the end */
} Piece;

/* Complete before another thread can see it, and never changed after. */
typedef struct {
    Py_ssize_t piece_count;
    Piece pieces[];
} Parsed;

#define PARSED_NAME "letter_template.Parsed"

typedef struct {
    PyObject_HEAD PyObject* source;
    PythonNogilAtomicRef parsed; /* a capsule with a Parsed; empty until the first expand() */
} Template;

static void free_parsed(PyObject* capsule) {
    PyMem_Free(PyCapsule_GetPointer(capsule, PARSED_NAME));
}

static int count_pieces(const char* text, const char* end) {
    int count = 1;

    for (; text < end; text++)
        count += *text == '{';
    return count;
}

static int parse_piece(Piece* piece, const char* text, const char* end) {
    const char* open = memchr(text, '{', end - text);
    const char* close = open ? memchr(open, '}', end - open) : NULL;

    piece->text = text;
    piece->length = (open ? open : end) - text;
    piece->field = -1;
    if (open == NULL)
        return 0;
    if (close == NULL) {
        PyErr_SetString(PyExc_ValueError, "template has a '{' without a '}'");
        return -1;
    }
    piece->field = find_or_add_field(open + 1, close - open - 1);
    return piece->field < 0 ? -1 : 0;
}

static const char* end_of_piece(const Piece* piece, const char* end) {
    const char* text = piece->text + piece->length;

    return piece->field < 0 ? end : (const char*)memchr(text, '}', end - text) + 1;
}

static PyObject* parse(PyObject* source) {
    Py_ssize_t length;
    const char *text, *end;
    Parsed* parsed;
    PyObject* capsule;

    text = PyUnicode_AsUTF8AndSize(source, &length);
    if (text == NULL)
        return NULL;
    end = text + length;
    parsed = PyMem_Calloc(1, sizeof(Parsed) + count_pieces(text, end) * sizeof(Piece));
    if (parsed == NULL)
        return PyErr_NoMemory();
    while (text < end) {
        Piece* piece = &parsed->pieces[parsed->piece_count++];
        if (parse_piece(piece, text, end) < 0) {
            PyMem_Free(parsed);
            return NULL;
        }
        text = end_of_piece(piece, end);
    }
    capsule = PyCapsule_New(parsed, PARSED_NAME, free_parsed);
    if (capsule == NULL)
        PyMem_Free(parsed);
    return capsule;
}

/* Two threads may parse the same template at the same time; the second drops its own outcome. */
static PyObject* get_or_parse(Template* self) {
    PyObject* parsed = pythonnogil_atomic_ref_get(&self->parsed);

    if (parsed != NULL)
        return parsed;
    parsed = parse(self->source);
    if (parsed == NULL)
        return NULL;
    if (pythonnogil_atomic_ref_compare_and_set(&self->parsed, NULL, parsed)) {
        templates_parsed++;
        return parsed;
    }
    Py_DECREF(parsed);
    return pythonnogil_atomic_ref_get(&self->parsed);
}

/* ---- writing ------------------------------------------------------------------------------ */

typedef struct {
    char* data;
    Py_ssize_t length;
    Py_ssize_t capacity;
} Buffer;

static int buffer_write(Buffer* buffer, const char* text, Py_ssize_t length) {
    if (buffer->length + length > buffer->capacity) {
        Py_ssize_t capacity = (buffer->length + length) * 2;
        char* grown = PyMem_Realloc(buffer->data, capacity);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->data + buffer->length, text, length);
    buffer->length += length;
    return 0;
}

static int write_field(Buffer* buffer, PyObject* name, PyObject* mapping) {
    Py_ssize_t length;
    const char* text;
    PyObject *value, *string;
    int status = -1;

    value = PyObject_GetItem(mapping, name);
    if (value == NULL)
        return -1;
    string = PyObject_Str(value);
    Py_DECREF(value);
    if (string == NULL)
        return -1;
    text = PyUnicode_AsUTF8AndSize(string, &length);
    if (text != NULL)
        status = buffer_write(buffer, text, length);
    Py_DECREF(string);
    return status;
}

static int write_pieces(const Parsed* parsed, PyObject* names, Buffer* buffer, PyObject* mapping) {
    Py_ssize_t i;

    for (i = 0; i < parsed->piece_count; i++) {
        const Piece* piece = &parsed->pieces[i];
        if (buffer_write(buffer, piece->text, piece->length) < 0)
            return -1;
        if (piece->field < 0)
            continue;
        field_uses[piece->field]++;
        if (write_field(buffer, PyTuple_GET_ITEM(names, piece->field), mapping) < 0)
            return -1;
    }
    return 0;
}

/* ---- the type ----------------------------------------------------------------------------- */

static PyObject* Template_expand(Template* self, PyObject* mapping) {
    Buffer buffer = {NULL, 0, 0};
    PyObject *letter = NULL, *names, *parsed = get_or_parse(self);

    if (parsed == NULL)
        return NULL;
    /* Read after the template was parsed, so that all of its fields are in it. */
    names = pythonnogil_atomic_ref_get(&field_names);
    if (write_pieces(PyCapsule_GetPointer(parsed, PARSED_NAME), names, &buffer, mapping) == 0)
        letter = PyUnicode_DecodeUTF8(buffer.data, buffer.length, "strict");
    if (letter != NULL) {
        letters_expanded++;
        characters_written += PyUnicode_GET_LENGTH(letter);
    }
    PyMem_Free(buffer.data);
    Py_DECREF(names);
    Py_DECREF(parsed);
    return letter;
}

static PyObject* Template_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    static char* names[] = {"source", NULL};
    PyObject* source;
    Template* self;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U:Template", names, &source))
        return NULL;
    self = (Template*)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(source);
    self->source = source;
    return (PyObject*)self;
}

static void Template_dealloc(Template* self) {
    pythonnogil_atomic_ref_clear(&self->parsed);
    Py_XDECREF(self->source);
    Py_TYPE(self)->tp_free((PyObject*)self);
}

static PyMethodDef Template_methods[] = {
    {"expand", (PyCFunction)Template_expand, METH_O,
     "expand(mapping)\n--\n\nReturn the letter with each {field} replaced by str(mapping[field])."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject Template_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "letter_template.Template",
    .tp_basicsize = sizeof(Template),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "Template(source)\n--\n\nA form letter; parsed the first time it is expanded.",
    .tp_new = Template_new,
    .tp_dealloc = (destructor)Template_dealloc,
    .tp_methods = Template_methods,
};

/* ---- the module --------------------------------------------------------------------------- */

static PyObject* statistics(PyObject* module, PyObject* unused) {
    PyObject* names = pythonnogil_atomic_ref_get(&field_names);
    Py_ssize_t i, count = PyTuple_GET_SIZE(names);
    long uses = 0;

    Py_DECREF(names);
    for (i = 0; i < count; i++)
        uses += field_uses[i];
    return Py_BuildValue("{s:l,s:l,s:l,s:l,s:n}", "parsed", (long)templates_parsed, "expanded",
                         (long)letters_expanded, "characters", (long)characters_written,
                         "fields filled", uses, "field names", count);
}

static PyMethodDef module_functions[] = {
    {"statistics", statistics, METH_NOARGS,
     "statistics()\n--\n\nReturn the counters that all templates share, as a dict."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    "letter_template",
    "Form letters with {named} fields.",
    -1,
    module_functions,
    NULL,
    NULL,
    NULL,
    NULL,
};

static int fill_module(PyObject* module) {
    PyObject* no_names = PyTuple_New(0);

    if (no_names == NULL)
        return -1;
    pythonnogil_atomic_ref_set(&field_names, no_names);
    Py_DECREF(no_names);
    Py_INCREF(&Template_Type);
    if (PyModule_AddObject(module, "Template", (PyObject*)&Template_Type) < 0) {
        Py_DECREF(&Template_Type);
        return -1;
    }
    return PYTHONNOGIL_DECLARE_SAFE(module);
}

PyMODINIT_FUNC PyInit_letter_template(void) {
    PyObject* module;

    if (PyType_Ready(&Template_Type) < 0)
        return NULL;
    module = PyModule_Create(&module_definition);
    if (module != NULL && fill_module(module) < 0)
        Py_CLEAR(module);
    return module;
}
