/* Decodes the usual request of a contract straight into columns, or says that it is not one.
 *
 * What is taken here is a part of what the contract allows: texts without escapes, no name twice in
 * an object, numbers of at most 19 digits. Whatever else comes, valid or not, is left to the
 * decoder behind it (row.py), which also says what is wrong: None means "not here". Of what is
 * taken, every value is the one that decoder would give, to the last bit.
 *
 * The body is a Python bytes object and so ends with a zero, which no rule below takes: nothing
 * reads on behind it.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER, SINGLE, INTEGER, BOOLEAN, TEXT };

/* A column of the request. */
typedef struct {
    PyObject *key; /* bytes: its name in quotes */
    int kind;
    int nullable;
    Py_ssize_t place; /* a number's column in the matrix, or which of the texts it is */
    double low;       /* of a number, or of a text's letters */
    double high;
    PyObject *allowed; /* a closed set of texts as a dict from each to itself, or NULL */
    uint64_t seen;     /* in which object, counted from 1, it was met last */
} field_t;

/* The columns of an object. */
typedef struct {
    field_t *fields;
    Py_ssize_t count;
    Py_ssize_t texts;
    uint64_t objects; /* how many have been read */
} shape_t;

typedef struct {
    shape_t context;
    shape_t candidate;
    unsigned int columns; /* of the matrix */
    Py_ssize_t most_candidates;
    Py_ssize_t most_letters; /* of the request's name and the subject's */
} contract_t;

/* What one call reads from and writes to. */
typedef struct {
    const char *at;
    const char *end;
    double *row;      /* where an object's numbers go */
    PyObject **texts; /* where its texts go, owned */
} reader_t;

static inline void skip(reader_t *reader)
{
    while (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r' ||
           *reader->at == '\t') {
        reader->at++;
    }
}

static inline int take(reader_t *reader, char wanted)
{
    if (*reader->at != wanted) {
        return 0;
    }
    reader->at++;
    return 1;
}

static inline int take_word(reader_t *reader, const char *word, Py_ssize_t length)
{
    if (reader->end - reader->at < length || memcmp(reader->at, word, (size_t)length) != 0) {
        return 0;
    }
    reader->at += length;
    return 1;
}

/* After a value: 1 if another follows, 0 if `close` ends them, -1 if neither. */
static inline int more(reader_t *reader, char close)
{
    skip(reader);
    if (take(reader, ',')) {
        skip(reader);
        return 1;
    }
    return take(reader, close) ? 0 : -1;
}

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define MOST_DIGITS 19 /* that an uint64 is sure to hold */
#define MOST_PLACES 1000

#ifdef __SIZEOF_INT128__
static const uint64_t WHOLE_POWERS[MOST_DIGITS + 1] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

/* The double nearest to digits / 10 ** places, ties to even; digits > 2**53, places 1 to 19. */
static double quotient(uint64_t digits, int places)
{
    const uint64_t power = WHOLE_POWERS[places];
    /* So that the quotient has 63 or 64 bits, of which 10 or 11 are too many. */
    const int shift = 63 + __builtin_clzll(digits) - __builtin_clzll(power);
    const unsigned __int128 shifted = (unsigned __int128)digits << shift;
    const uint64_t whole = (uint64_t)(shifted / power);
    const int rest = (unsigned __int128)whole * power != shifted;
    const int cut = 64 - __builtin_clzll(whole) - DBL_MANT_DIG;
    const uint64_t half = (uint64_t)1 << (cut - 1);
    const uint64_t below = whole & ((half << 1) - 1u);
    uint64_t mantissa = whole >> cut;
    if (below > half || (below == half && (rest || (mantissa & 1u)))) {
        mantissa++;
    }
    return ldexp((double)mantissa, cut - shift);
}
#endif

/* Give the value of a number's text: digits * 10 ** exponent; -1 if that is not sure to be right. */
static int evaluate(const char *start, const char *end, uint64_t digits, int exponent, double *value)
{
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
    if (digits <= ((uint64_t)1 << DBL_MANT_DIG) && exponent >= -22 && exponent <= 22) {
        /* Both are exact as doubles, so the one operation rounds right (Clinger 1990). */
        const double whole = (double)digits;
        *value = exponent < 0 ? whole / POWERS[-exponent] : whole * POWERS[exponent];
        return 0;
    }
#endif
#ifdef __SIZEOF_INT128__
    if (digits > ((uint64_t)1 << DBL_MANT_DIG) && exponent < 0 && exponent >= -MOST_DIGITS) {
        *value = quotient(digits, -exponent);
        return 0;
    }
#endif
    char *stopped = NULL;
    *value = PyOS_string_to_double(start, &stopped, NULL);
    if (stopped != end) {
        PyErr_Clear();
        return -1;
    }
    return 0;
}

/* Read a JSON number; -1 if there is none, or one for the decoder behind. */
static int read_number(reader_t *reader, int whole_only, double *value)
{
    const int negative = take(reader, '-');
    const char *start = reader->at;
    const char *at = start;
    uint64_t digits = 0;
    int count = 0, exponent = 0, is_whole = 1; /* zeros in front do not count */
    for (; *at >= '0' && *at <= '9'; at++) {
        digits = digits * 10u + (uint64_t)(*at - '0');
        count += count > 0 || *at != '0';
    }
    if (at == start || count > MOST_DIGITS || (*start == '0' && at - start > 1)) {
        return -1;
    }
    if (whole_only && (*at == '.' || *at == 'e' || *at == 'E')) {
        return -1;
    }
    if (*at == '.') {
        const char *point = ++at;
        for (; *at >= '0' && *at <= '9'; at++) {
            digits = digits * 10u + (uint64_t)(*at - '0');
            count += count > 0 || *at != '0';
        }
        if (at == point || count > MOST_DIGITS || at - point > MOST_PLACES) {
            return -1;
        }
        exponent = -(int)(at - point);
        is_whole = 0;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        const int down = *at == '-';
        at += down || *at == '+';
        const char *first = at;
        int power = 0;
        for (; *at >= '0' && *at <= '9' && at - first < 4; at++) {
            power = power * 10 + (*at - '0');
        }
        if (at == first || (*at >= '0' && *at <= '9')) {
            return -1;
        }
        exponent += down ? -power : power;
        is_whole = 0;
    }
    if ((digits == 0 && negative && is_whole) ||
        evaluate(start, at, digits, exponent, value) < 0 || !isfinite(*value)) {
        return -1;
    }
    if (negative) {
        *value = -*value;
    }
    reader->at = at;
    return 0;
}

/* Read a text without escapes; NULL if there is none. */
static PyObject *read_text(reader_t *reader, Py_ssize_t least, Py_ssize_t most)
{
    if (!take(reader, '"')) {
        return NULL;
    }
    const char *start = reader->at;
    const char *at = start;
    while ((unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
        at++;
    }
    if (*at != '"') {
        return NULL;
    }
    PyObject *text = PyUnicode_DecodeUTF8(start, at - start, "strict");
    if (text == NULL) {
        PyErr_Clear();
        return NULL;
    }
    const Py_ssize_t letters = PyUnicode_GetLength(text);
    if (letters < least || letters > most) {
        Py_DECREF(text);
        return NULL;
    }
    reader->at = at + 1;
    return text;
}

static int read_column_text(reader_t *reader, const field_t *field)
{
    PyObject *text = read_text(reader, (Py_ssize_t)field->low, (Py_ssize_t)field->high);
    if (text != NULL && field->allowed != NULL) {
        PyObject *same = PyDict_GetItemWithError(field->allowed, text);
        Py_XINCREF(same);
        Py_DECREF(text);
        text = same;
    }
    reader->texts[field->place] = text;
    return text == NULL ? -1 : 0;
}

static void put_missing(reader_t *reader, const field_t *field)
{
    if (field->kind == TEXT) {
        Py_INCREF(Py_None);
        reader->texts[field->place] = Py_None;
    } else {
        reader->row[field->place] = NAN;
    }
}

static int read_value(reader_t *reader, const field_t *field)
{
    if (*reader->at == 'n') {
        if (!field->nullable || !take_word(reader, "null", 4)) {
            return -1;
        }
        put_missing(reader, field);
        return 0;
    }
    if (field->kind == TEXT) {
        return read_column_text(reader, field);
    }
    double value;
    if (field->kind == BOOLEAN) {
        value = *reader->at == 't';
        if (!(value ? take_word(reader, "true", 4) : take_word(reader, "false", 5))) {
            return -1;
        }
    } else if (read_number(reader, field->kind == INTEGER, &value) < 0 ||
               !(value >= field->low && value <= field->high)) {
        return -1;
    }
    reader->row[field->place] = field->kind == SINGLE ? (double)(float)value : value;
    return 0;
}

/* Find the column that a key names: callers write them in the same order in every object. */
static field_t *find(reader_t *reader, const shape_t *shape, Py_ssize_t expected)
{
    for (Py_ssize_t tried = 0; tried < shape->count; tried++) {
        const Py_ssize_t at = expected + tried;
        field_t *field = shape->fields + (at < shape->count ? at : at - shape->count);
        if (take_word(reader, PyBytes_AsString(field->key), PyBytes_Size(field->key))) {
            return field;
        }
    }
    return NULL;
}

/* Read an object of columns. */
static int read_object(reader_t *reader, shape_t *shape)
{
    Py_ssize_t met = 0, expected = 0;
    const uint64_t object = ++shape->objects;
    if (!take(reader, '{')) {
        return -1;
    }
    skip(reader);
    int state = take(reader, '}') ? 0 : 1;
    while (state > 0) {
        field_t *field = find(reader, shape, expected);
        if (field == NULL || field->seen == object) {
            return -1;
        }
        skip(reader);
        if (!take(reader, ':')) {
            return -1;
        }
        skip(reader);
        if (read_value(reader, field) < 0) {
            return -1;
        }
        field->seen = object;
        met++;
        expected = field - shape->fields + 1;
        expected = expected < shape->count ? expected : 0;
        state = more(reader, '}');
    }
    if (state < 0 || met == shape->count) {
        return state;
    }
    for (field_t *field = shape->fields; field < shape->fields + shape->count; field++) {
        if (field->seen != object) {
            if (!field->nullable) {
                return -1;
            }
            put_missing(reader, field);
        }
    }
    return 0;
}

/* What came of a body. */
typedef struct {
    PyObject *request_id;
    PyObject *subject;
    PyObject *context_texts; /* tuple */
    PyObject *texts;         /* tuple of a list for each text of a candidate */
    double *context;         /* the context's numbers at their places */
    double *matrix;
    Py_ssize_t rows;
    Py_ssize_t room; /* rows that the matrix has memory for */
} found_t;

static void drop(PyObject **texts, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_CLEAR(texts[i]);
    }
}

static int read_context(reader_t *reader, contract_t *contract, found_t *found)
{
    shape_t *shape = &contract->context;
    reader->row = found->context;
    if (read_object(reader, shape) < 0) {
        drop(reader->texts, shape->texts);
        return -1;
    }
    found->context_texts = PyTuple_New(shape->texts);
    for (Py_ssize_t i = 0; i < shape->texts && found->context_texts != NULL; i++) {
        PyTuple_SetItem(found->context_texts, i, reader->texts[i]);
        reader->texts[i] = NULL;
    }
    drop(reader->texts, shape->texts);
    return found->context_texts == NULL ? -1 : 0;
}

/* Make room for one row more. */
static int make_room(contract_t *contract, found_t *found)
{
    if (found->rows < found->room) {
        return 0;
    }
    const size_t row = (size_t)contract->columns * sizeof(double);
    const size_t room = found->room == 0 ? 64 : 2 * (size_t)found->room;
    if (row > 0 && room > (size_t)PY_SSIZE_T_MAX / row) {
        return -1;
    }
    double *matrix = realloc(found->matrix, room * row + 1);
    if (matrix == NULL) {
        return -1;
    }
    found->matrix = matrix;
    found->room = (Py_ssize_t)room;
    return 0;
}

static int read_candidate(reader_t *reader, contract_t *contract, found_t *found)
{
    shape_t *shape = &contract->candidate;
    if (found->rows == contract->most_candidates || make_room(contract, found) < 0) {
        return -1;
    }
    reader->row = found->matrix + (size_t)found->rows * contract->columns;
    int state = read_object(reader, shape);
    for (Py_ssize_t i = 0; i < shape->texts && state == 0; i++) {
        state = PyList_Append(PyTuple_GetItem(found->texts, i), reader->texts[i]);
    }
    drop(reader->texts, shape->texts);
    found->rows++;
    return state;
}

static int read_candidates(reader_t *reader, contract_t *contract, found_t *found)
{
    const Py_ssize_t texts = contract->candidate.texts;
    found->texts = PyTuple_New(texts);
    for (Py_ssize_t i = 0; i < texts && found->texts != NULL; i++) {
        PyObject *list = PyList_New(0);
        if (list == NULL) {
            return -1;
        }
        PyTuple_SetItem(found->texts, i, list);
    }
    if (found->texts == NULL || !take(reader, '[')) {
        return -1;
    }
    skip(reader);
    int state = 1;
    while (state > 0) {
        if (read_candidate(reader, contract, found) < 0) {
            return -1;
        }
        state = more(reader, ']');
    }
    return state;
}

/* Read one member of the body; no name may come twice. */
static int read_member(reader_t *reader, contract_t *contract, found_t *found)
{
    static const char *const NAMES[] = {"\"context\"", "\"candidates\"", "\"request_id\"",
                                        "\"subject\""};
    int which = 0;
    while (which < 4 && !take_word(reader, NAMES[which], (Py_ssize_t)strlen(NAMES[which]))) {
        which++;
    }
    skip(reader);
    if (which == 4 || !take(reader, ':')) {
        return -1;
    }
    skip(reader);
    if (which == 0) {
        return found->context_texts ? -1 : read_context(reader, contract, found);
    }
    if (which == 1) {
        return found->texts ? -1 : read_candidates(reader, contract, found);
    }
    PyObject **text = which == 2 ? &found->request_id : &found->subject;
    if (*text != NULL) {
        return -1;
    }
    *text = read_text(reader, 0, contract->most_letters);
    return *text == NULL ? -1 : 0;
}

static int read_body(reader_t *reader, contract_t *contract, found_t *found)
{
    skip(reader);
    if (!take(reader, '{')) {
        return -1;
    }
    skip(reader);
    int state = 1;
    while (state > 0) {
        if (read_member(reader, contract, found) < 0) {
            return -1;
        }
        state = more(reader, '}');
    }
    skip(reader);
    return state == 0 && reader->at == reader->end && found->context_texts && found->texts ? 0 : -1;
}

/* Write the context's numbers into every row. */
static void spread(const contract_t *contract, const found_t *found)
{
    for (Py_ssize_t i = 0; i < contract->context.count; i++) {
        const field_t *field = contract->context.fields + i;
        if (field->kind != TEXT) {
            double *value = found->matrix + field->place;
            for (Py_ssize_t row = 0; row < found->rows; row++, value += contract->columns) {
                *value = found->context[field->place];
            }
        }
    }
}

static PyObject *result_of(const contract_t *contract, const found_t *found)
{
    spread(contract, found);
    PyObject *matrix = PyByteArray_FromStringAndSize(
        (const char *)found->matrix,
        found->rows * (Py_ssize_t)(contract->columns * sizeof(double)));
    PyObject *none = PyUnicode_FromStringAndSize(NULL, 0);
    PyObject *result = NULL;
    if (matrix != NULL && none != NULL) {
        result = Py_BuildValue("(OOOnOO)", found->request_id ? found->request_id : none,
                               found->subject ? found->subject : none, matrix, found->rows,
                               found->context_texts, found->texts);
    }
    Py_XDECREF(matrix);
    Py_XDECREF(none);
    return result;
}

static const char *const CAPSULE = "mlops.contracts._rows.contract";

static PyObject *decode(PyObject *module, PyObject *args)
{
    PyObject *capsule, *body, *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "OS:decode", &capsule, &body)) {
        return NULL;
    }
    contract_t *contract = PyCapsule_GetPointer(capsule, CAPSULE);
    if (contract == NULL) {
        return NULL;
    }
    found_t found = {0};
    const Py_ssize_t texts = contract->context.texts + contract->candidate.texts;
    found.context = calloc((size_t)contract->columns + 1, sizeof(double));
    PyObject **slots = calloc((size_t)texts + 1, sizeof(PyObject *));
    if (found.context != NULL && slots != NULL) {
        const char *start = PyBytes_AsString(body);
        reader_t reader = {start, start + PyBytes_Size(body), NULL, slots};
        if (read_body(&reader, contract, &found) == 0) {
            result = result_of(contract, &found);
        }
    }
    free(slots);
    free(found.context);
    free(found.matrix);
    Py_XDECREF(found.request_id);
    Py_XDECREF(found.subject);
    Py_XDECREF(found.context_texts);
    Py_XDECREF(found.texts);
    if (result == NULL && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return result;
}

static void forget(shape_t *shape)
{
    for (Py_ssize_t i = 0; i < shape->count; i++) {
        Py_XDECREF(shape->fields[i].key);
        Py_XDECREF(shape->fields[i].allowed);
    }
    free(shape->fields);
}

static void forget_contract(contract_t *contract)
{
    forget(&contract->context);
    forget(&contract->candidate);
    free(contract);
}

static void forget_capsule(PyObject *capsule)
{
    forget_contract(PyCapsule_GetPointer(capsule, CAPSULE));
}

static int describe_field(field_t *field, shape_t *shape, unsigned int columns, PyObject *given)
{
    PyObject *key, *allowed;
    if (!PyArg_ParseTuple(given, "SipnddO", &key, &field->kind, &field->nullable, &field->place,
                          &field->low, &field->high, &allowed)) {
        return -1;
    }
    if (allowed != Py_None && !PyDict_Check(allowed)) {
        PyErr_SetString(PyExc_TypeError, "allowed texts are a dict or None");
        return -1;
    }
    if (field->kind == TEXT) {
        field->place = shape->texts++; /* so that each has one of its own */
    } else if (field->kind < NUMBER || field->kind > TEXT || field->place < 0 ||
               field->place >= (Py_ssize_t)columns) {
        PyErr_SetString(PyExc_ValueError, "a column has no place");
        return -1;
    }
    Py_INCREF(key);
    field->key = key;
    if (allowed != Py_None) {
        Py_INCREF(allowed);
        field->allowed = allowed;
    }
    return 0;
}

/* Take over a sequence of (key, kind, nullable, place, low, high, allowed). */
static int describe(shape_t *shape, unsigned int columns, PyObject *given)
{
    const Py_ssize_t count = PySequence_Size(given);
    if (count < 0) {
        return -1;
    }
    shape->fields = calloc((size_t)count + 1, sizeof(field_t));
    if (shape->fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (; shape->count < count; shape->count++) {
        PyObject *item = PySequence_GetItem(given, shape->count);
        const int state =
            item == NULL ? -1 : describe_field(shape->fields + shape->count, shape, columns, item);
        Py_XDECREF(item);
        if (state < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *compile_contract(PyObject *module, PyObject *args)
{
    PyObject *context, *candidate;
    contract_t *contract = calloc(1, sizeof(contract_t));
    (void)module;
    if (contract == NULL) {
        return PyErr_NoMemory();
    }
    if (!PyArg_ParseTuple(args, "OOInn:compile", &context, &candidate, &contract->columns,
                          &contract->most_candidates, &contract->most_letters) ||
        describe(&contract->context, contract->columns, context) < 0 ||
        describe(&contract->candidate, contract->columns, candidate) < 0) {
        forget_contract(contract);
        return NULL;
    }
    PyObject *capsule = PyCapsule_New(contract, CAPSULE, forget_capsule);
    if (capsule == NULL) {
        forget_contract(contract);
    }
    return capsule;
}

static PyMethodDef methods[] = {
    {"compile", compile_contract, METH_VARARGS,
     "compile(context, candidate, columns, most_candidates, most_letters): return what `decode` "
     "needs."},
    {"decode", decode, METH_VARARGS,
     "decode(contract, body): return (request_id, subject, matrix, rows, context_texts, texts), or "
     "None if the body is not of the usual kind."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mlops.contracts._rows",
    .m_doc = "Compiled decoder of usual requests.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModuleDef_Init(&definition);
}
