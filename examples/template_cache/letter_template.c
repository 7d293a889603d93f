/*
 * letter_template: form letters with {named} fields.
 *
 * This is the legacy extension of the story, written the way extensions were written for twenty
 * years: single-phase initialisation, a static type, statics for everything shared, and no lock,
 * since the GIL was one. A template is parsed the first time it is used and the outcome is kept;
 * all templates share one table of field names. Under a GIL each of these is correct.
 *
 * Do not take it as a model for new code: it is here to stay as it is.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

/* ---- field names, shared by all templates ------------------------------------------------- */

#define MAX_FIELDS 64
#define MAX_NAME 32

typedef struct {
    char name[MAX_NAME];
    long uses;
} Field;

static Field fields[MAX_FIELDS];
static int field_count;

static long templates_parsed;
static long letters_expanded;
static long characters_written;

static int find_or_add_field(const char* name, Py_ssize_t length) {
    int i;

    if (length >= MAX_NAME) {
        PyErr_SetString(PyExc_ValueError, "template has a field name that is too long");
        return -1;
    }
    for (i = 0; i < field_count; i++) {
        if (strncmp(fields[i].name, name, length) == 0 && fields[i].name[length] == '\0')
            return i;
    }
    if (field_count == MAX_FIELDS) {
        PyErr_SetString(PyExc_ValueError, "too many different field names");
        return -1;
    }
    memcpy(fields[field_count].name, name, length);
    fields[field_count].uses = 0;
    return field_count++;
}

/* ---- parsing ------------------------------------------------------------------------------ */

typedef struct {
    const char* text; /* points into the source string */
    Py_ssize_t length;
    int field; /* the field that follows the text, or -1 at the end */
} Piece;

typedef struct {
    PyObject_HEAD PyObject* source;
    Piece* pieces; /* NULL until the first expand() */
    Py_ssize_t piece_count;
} Template;

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

static int parse(Template* self) {
    Py_ssize_t length, count = 0;
    const char *text, *end;
    Piece* pieces;

    text = PyUnicode_AsUTF8AndSize(self->source, &length);
    if (text == NULL)
        return -1;
    end = text + length;
    pieces = PyMem_Calloc(count_pieces(text, end), sizeof(Piece));
    if (pieces == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (text < end) {
        if (parse_piece(&pieces[count], text, end) < 0) {
            PyMem_Free(pieces);
            return -1;
        }
        text = end_of_piece(&pieces[count++], end);
    }
    self->pieces = pieces;
    self->piece_count = count;
    templates_parsed++;
    return 0;
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

static int write_field(Buffer* buffer, Field* field, PyObject* mapping) {
    Py_ssize_t length;
    const char* text;
    PyObject *value, *string;
    int status = -1;

    field->uses++;
    value = PyMapping_GetItemString(mapping, field->name);
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

static int write_pieces(Template* self, Buffer* buffer, PyObject* mapping) {
    Py_ssize_t i;

    for (i = 0; i < self->piece_count; i++) {
        Piece* piece = &self->pieces[i];
        if (buffer_write(buffer, piece->text, piece->length) < 0)
            return -1;
        if (piece->field >= 0 && write_field(buffer, &fields[piece->field], mapping) < 0)
            return -1;
    }
    return 0;
}

/* ---- the type ----------------------------------------------------------------------------- */

static PyObject* Template_expand(Template* self, PyObject* mapping) {
    Buffer buffer = {NULL, 0, 0};
    PyObject* letter = NULL;

    if (self->pieces == NULL && parse(self) < 0)
        return NULL;
    if (write_pieces(self, &buffer, mapping) == 0)
        letter = PyUnicode_DecodeUTF8(buffer.data, buffer.length, "strict");
    if (letter != NULL) {
        letters_expanded++;
        characters_written += PyUnicode_GET_LENGTH(letter);
    }
    PyMem_Free(buffer.data);
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
    PyMem_Free(self->pieces);
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
    long uses = 0;
    int i;

    for (i = 0; i < field_count; i++)
        uses += fields[i].uses;
    return Py_BuildValue("{s:l,s:l,s:l,s:l,s:i}", "parsed", templates_parsed, "expanded",
                         letters_expanded, "characters", characters_written, "fields filled", uses,
                         "field names", field_count);
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

PyMODINIT_FUNC PyInit_letter_template(void) {
    PyObject* module;

    if (PyType_Ready(&Template_Type) < 0)
        return NULL;
    module = PyModule_Create(&module_definition);
    if (module == NULL)
        return NULL;
    Py_INCREF(&Template_Type);
    if (PyModule_AddObject(module, "Template", (PyObject*)&Template_Type) < 0) {
        Py_DECREF(&Template_Type);
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
