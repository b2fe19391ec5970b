/* Takes rows of a matrix through flat decision trees, in two ways, or through a linear sum.
 *
 * A walk goes from node to node, one row after the other. A sweep asks all nodes of a small tree,
 * for a block of rows in vector registers: a row that goes right at a node strikes off the leaves
 * on the node's left, and the leftmost leaf that is still alive in the end is the row's. No branch
 * depends on data, and no load on the one before. Source: Lucchese et al., "QuickScorer: a fast
 * algorithm to rank documents with additive ensembles of regression trees" (SIGIR 2015), section
 * 3; "Exploiting CPU SIMD extensions to speed-up document scoring with tree ensembles" (SIGIR
 * 2016), section 3.
 *
 * The Python side has checked every index of the node table once, when it was loaded, and made the
 * plan of a sweep from it (plan.py); here only the sizes of the buffers of one call are checked.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define MISSING_LEFT 1u
#define UNKNOWN_LEFT 2u
#define CATEGORY 4u

/* Work of less than about a millisecond keeps the interpreter lock: another thread that got it
 * could hold it for five. */
#define WALKS_WITH_LOCK 50000
#define SWEEPS_WITH_LOCK 300000

typedef struct {
    union {
        double cut;        /* leaf: value; number: threshold */
        struct {
            uint32_t word; /* category: first word of its set */
            uint32_t size; /* category: number of codes */
        } set;
    } at;
    int32_t feature; /* matrix column, or -1 for a leaf */
    int32_t child[2]; /* right, left: indexed by the answer, since a branch here is a coin toss */
    uint32_t flags;
} node_t;

/* Rows, and the nodes that they walk down. */
typedef struct {
    const double *matrix;
    Py_ssize_t rows;
    Py_ssize_t columns;
    const node_t *nodes;
    const uint64_t *words;
} table_t;

static double leaf_of(const table_t *table, int32_t root, const double *row)
{
    const node_t *nodes = table->nodes;
    const node_t *node = nodes + root;
    while (node->feature >= 0) {
        const double value = row[node->feature];
        uint32_t goes_left;
        if (value != value) {
            goes_left = node->flags & MISSING_LEFT;
        } else if (!(node->flags & CATEGORY)) {
            goes_left = value <= node->at.cut;
        } else if (value >= 0.0 && value < (double)node->at.set.size) {
            const uint32_t code = (uint32_t)value;
            const uint64_t word = table->words[node->at.set.word + (code >> 6)];
            goes_left = (uint32_t)(word >> (code & 63u)) & 1u;
        } else {
            goes_left = node->flags & UNKNOWN_LEFT;
        }
        node = nodes + node->child[goes_left != 0];
    }
    return node->at.cut;
}

/* Trees outside, rows inside: a tree stays in the nearest cache for all rows. Every row still adds
 * its leaves in the order of the trees, which is what makes the sum bit-equal. */
static void walk(const table_t *table, const int32_t *roots, Py_ssize_t trees, double *out)
{
    for (Py_ssize_t tree = 0; tree < trees; tree++) {
        for (Py_ssize_t row = 0; row < table->rows; row++) {
            out[row] += leaf_of(table, roots[tree], table->matrix + row * table->columns);
        }
    }
}

/* A matrix column of a block. */
typedef struct {
    int32_t column;
    uint32_t size; /* number of codes, 0 for a number */
} gather_t;

/* One inner node of a sweep. */
typedef struct {
    union {
        double cut;     /* number: threshold */
        uint64_t codes; /* at most 62 codes: the set of those that go left */
        uint64_t word;  /* more of them: first word of that set */
    } at;
    uint64_t stay;  /* leaves that are not struck off when a row goes right */
    int64_t column; /* which of the block */
} test_t;

/* One tree of a sweep. Its tests lie together: numbers where missing goes left, numbers where it
 * goes right, at most 62 codes, more of them. */
typedef struct {
    int32_t root;
    int32_t leaf;    /* the first of its leaves, or -1: they are too many, and it is walked */
    int32_t test;    /* the first of its tests */
    int32_t ends[4]; /* the end of each kind of test, counted from the first */
} tree_t;

typedef struct {
    const gather_t *gathers;
    Py_ssize_t gathered;
    const test_t *tests;
    const uint64_t *sets;
    const double *leaves;
    const tree_t *trees; /* the first that is asked for */
    const tree_t *end;   /* one past the last */
} plan_t;

#if (defined(__GNUC__) || defined(__clang__)) && !defined(_MSC_VER)
#define HAS_SWEEP
#define MOST_ROWS 32 /* of a block */
#define ALIGNMENT 32
#define INLINE static inline __attribute__((always_inline))

typedef union {
    double number;
    uint64_t code; /* a known one as it is, size for unknown, size + 1 for missing */
} cell_t;

INLINE uint64_t code_of(double value, uint32_t size)
{
    if (value != value) {
        return (uint64_t)size + 1u;
    }
    return value >= 0.0 && value < (double)size ? (uint64_t)(uint32_t)value : (uint64_t)size;
}

/* Fill a block column by column; behind the last row stand zeros, which are a number and a code. */
INLINE void gather(const table_t *table, const plan_t *plan, Py_ssize_t first, int rows, int width,
                   cell_t *block)
{
    const double *start = table->matrix + first * table->columns;
    for (Py_ssize_t i = 0; i < plan->gathered; i++, block += width) {
        const double *value = start + plan->gathers[i].column;
        const uint32_t size = plan->gathers[i].size;
        for (int row = 0; row < rows; row++, value += table->columns) {
            if (size == 0) {
                block[row].number = *value;
            } else {
                block[row].code = code_of(*value, size);
            }
        }
        for (int row = rows; row < width; row++) {
            block[row].code = 0;
        }
    }
}

#define LANES 2
#define TARGET
#define NAMED(name) name##_narrow
#include "_sweep.h"

#if defined(__x86_64__) || defined(__i386__)
#define HAS_WIDE
#define LANES 4
#define TARGET __attribute__((target("avx2,bmi")))
#define NAMED(name) name##_wide
#include "_sweep.h"
#endif

static int has_wide(void)
{
#ifdef HAS_WIDE
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
#else
    return 0;
#endif
}

/* Return whether there was memory for a block. */
static int sweep(const table_t *table, const plan_t *plan, int wide, double *out)
{
    const size_t column = MOST_ROWS * sizeof(cell_t);
    if ((size_t)plan->gathered > (SIZE_MAX - ALIGNMENT) / column) {
        return 0;
    }
    void *memory = malloc((size_t)plan->gathered * column + ALIGNMENT);
    if (memory == NULL) {
        return 0;
    }
    cell_t *block = (cell_t *)(((uintptr_t)memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
#ifdef HAS_WIDE
    if (wide) {
        sweep_wide(table, plan, block, out);
        free(memory);
        return 1;
    }
#endif
    (void)wide;
    sweep_narrow(table, plan, block, out);
    free(memory);
    return 1;
}
#else
static int has_wide(void)
{
    return 0;
}
#endif

static int is_made_of(const Py_buffer *view, size_t item)
{
    return view->len % (Py_ssize_t)item == 0 && (uintptr_t)view->buf % sizeof(uint32_t) == 0;
}

/* Make a table of the buffers of one call, `out` giving the number of rows; false if they do not
 * fit together. */
static int table_of(table_t *table, const Py_buffer *matrix, Py_ssize_t columns,
                    const Py_buffer *nodes, const Py_buffer *words, const Py_buffer *out)
{
    const Py_ssize_t item = (Py_ssize_t)sizeof(double);
    const Py_ssize_t rows = out->len / item;
    *table = (table_t){matrix->buf, rows, columns, nodes->buf, words->buf};
    return columns >= 0 && is_made_of(matrix, sizeof(double)) &&
           is_made_of(nodes, sizeof(node_t)) && is_made_of(words, sizeof(uint64_t)) &&
           is_made_of(out, sizeof(double)) &&
           (rows == 0 || columns <= PY_SSIZE_T_MAX / item / rows) &&
           matrix->len == rows * columns * item;
}

static void release(Py_buffer *views, int count)
{
    for (int i = 0; i < count; i++) {
        PyBuffer_Release(views + i);
    }
}

static PyObject *add_by_walk(PyObject *module, PyObject *args)
{
    enum { MATRIX, NODES, WORDS, ROOTS, OUT, COUNT };
    Py_buffer views[COUNT];
    Py_ssize_t columns, first, last;
    table_t table;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*ny*y*y*nnw*:add_by_walk", views + MATRIX, &columns,
                          views + NODES, views + WORDS, views + ROOTS, &first, &last,
                          views + OUT)) {
        return NULL;
    }
    const Py_ssize_t trees = views[ROOTS].len / (Py_ssize_t)sizeof(int32_t);
    const int fits = table_of(&table, views + MATRIX, columns, views + NODES, views + WORDS,
                              views + OUT) &&
                     is_made_of(views + ROOTS, sizeof(int32_t)) && 0 <= first && first <= last &&
                     last <= trees;
    const int32_t *roots = views[ROOTS].buf;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffers do not fit together");
    } else if (last > first && table.rows > WALKS_WITH_LOCK / (last - first)) {
        Py_BEGIN_ALLOW_THREADS
        walk(&table, roots + first, last - first, views[OUT].buf);
        Py_END_ALLOW_THREADS
    } else {
        walk(&table, roots + first, last - first, views[OUT].buf);
    }
    release(views, COUNT);
    if (!fits) {
        return NULL;
    }
    Py_RETURN_NONE;
}

#ifdef HAS_SWEEP
static PyObject *add_by_sweep(PyObject *module, PyObject *args)
{
    enum { MATRIX, NODES, WORDS, GATHERS, TESTS, SETS, LEAVES, TREES, OUT, COUNT };
    Py_buffer views[COUNT];
    Py_ssize_t columns, first, last;
    int wide;
    table_t table;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*ny*y*y*y*y*y*y*nnw*p:add_by_sweep", views + MATRIX, &columns,
                          views + NODES, views + WORDS, views + GATHERS, views + TESTS,
                          views + SETS, views + LEAVES, views + TREES, &first, &last, views + OUT,
                          &wide)) {
        return NULL;
    }
    const Py_ssize_t trees = views[TREES].len / (Py_ssize_t)sizeof(tree_t);
    const int fits =
        table_of(&table, views + MATRIX, columns, views + NODES, views + WORDS, views + OUT) &&
        is_made_of(views + GATHERS, sizeof(gather_t)) && is_made_of(views + TESTS, sizeof(test_t)) &&
        is_made_of(views + SETS, sizeof(uint64_t)) && is_made_of(views + LEAVES, sizeof(double)) &&
        is_made_of(views + TREES, sizeof(tree_t)) && 0 <= first && first <= last && last <= trees &&
        (!wide || has_wide());
    int done = 0;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffers do not fit together");
    } else {
        const tree_t *all = views[TREES].buf;
        const plan_t plan = {
            views[GATHERS].buf, views[GATHERS].len / (Py_ssize_t)sizeof(gather_t),
            views[TESTS].buf, views[SETS].buf, views[LEAVES].buf, all + first, all + last,
        };
        if (last > first && table.rows > SWEEPS_WITH_LOCK / (last - first)) {
            Py_BEGIN_ALLOW_THREADS
            done = sweep(&table, &plan, wide, views[OUT].buf);
            Py_END_ALLOW_THREADS
        } else {
            done = sweep(&table, &plan, wide, views[OUT].buf);
        }
        if (!done) {
            PyErr_NoMemory();
        }
    }
    release(views, COUNT);
    if (!done) {
        return NULL;
    }
    Py_RETURN_NONE;
}
#endif

static PyObject *widths(PyObject *module, PyObject *nothing)
{
    (void)module;
    (void)nothing;
#ifdef HAS_SWEEP
    return has_wide() ? Py_BuildValue("(ii)", 2, 4) : Py_BuildValue("(i)", 2);
#else
    return PyTuple_New(0);
#endif
}

/* A number's term of a linear sum: weight times the number after some steps. */
typedef struct {
    double weight;
    int32_t column;
    int32_t first; /* step */
    int32_t end;
    int32_t unused;
} term_t;

enum { FILL, SUBTRACT, DIVIDE, MULTIPLY, ADD, AT_LEAST, AT_MOST };

typedef struct {
    double value;
    int64_t kind;
} step_t;

/* A category's term: a weight for each code, then for unknown, then for missing. */
typedef struct {
    int32_t column;
    uint32_t size;
    int64_t first; /* weight */
} group_t;

static double after(const step_t *step, double value)
{
    switch (step->kind) {
    case FILL:
        return value != value ? step->value : value;
    case SUBTRACT:
        return value - step->value;
    case DIVIDE:
        return value / step->value;
    case MULTIPLY:
        return value * step->value;
    case ADD:
        return value + step->value;
    case AT_LEAST:
        return value < step->value ? step->value : value;
    default:
        return value > step->value ? step->value : value;
    }
}

static double weight_of(const group_t *group, const double *weights, double value)
{
    const int64_t size = (int64_t)group->size;
    const int is_known = value >= 0.0 && value < (double)group->size;
    return weights[group->first + (is_known ? (int64_t)value : size + (value != value))];
}

/* Terms are added one after the other, numbers first, as numpy's cumsum does (linear.py). */
static PyObject *add_terms(PyObject *module, PyObject *args)
{
    enum { MATRIX, TERMS, STEPS, GROUPS, WEIGHTS, OUT, COUNT };
    Py_buffer views[COUNT];
    Py_ssize_t columns;
    double intercept;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*ny*y*y*y*dw*:add_terms", views + MATRIX, &columns,
                          views + TERMS, views + STEPS, views + GROUPS, views + WEIGHTS,
                          &intercept, views + OUT)) {
        return NULL;
    }
    table_t table;
    const Py_buffer nothing = {0};
    const int fits = table_of(&table, views + MATRIX, columns, &nothing, &nothing, views + OUT) &&
                     is_made_of(views + TERMS, sizeof(term_t)) &&
                     is_made_of(views + STEPS, sizeof(step_t)) &&
                     is_made_of(views + GROUPS, sizeof(group_t)) &&
                     is_made_of(views + WEIGHTS, sizeof(double));
    const term_t *terms = views[TERMS].buf;
    const term_t *terms_end = terms + views[TERMS].len / (Py_ssize_t)sizeof(term_t);
    const step_t *steps = views[STEPS].buf;
    const group_t *groups = views[GROUPS].buf;
    const group_t *groups_end = groups + views[GROUPS].len / (Py_ssize_t)sizeof(group_t);
    double *out = views[OUT].buf;
    for (Py_ssize_t row = 0; fits && row < table.rows; row++) {
        const double *values = table.matrix + row * columns;
        double sum = intercept;
        for (const term_t *term = terms; term < terms_end; term++) {
            double value = values[term->column];
            for (int32_t step = term->first; step < term->end; step++) {
                value = after(steps + step, value);
            }
            sum += value * term->weight;
        }
        for (const group_t *group = groups; group < groups_end; group++) {
            sum += weight_of(group, views[WEIGHTS].buf, values[group->column]);
        }
        out[row] = sum;
    }
    release(views, COUNT);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffers do not fit together");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Look the texts of one column up; 0 if Python raised. */
static int put_column(PyObject *codes, PyObject *texts, double *out, Py_ssize_t rows,
                      Py_ssize_t columns)
{
    if (!PyDict_Check(codes) || !PyList_Check(texts) || PyList_Size(texts) != rows) {
        PyErr_SetString(PyExc_ValueError, "a dict and a list of a text a row are wanted");
        return 0;
    }
    for (Py_ssize_t row = 0; row < rows; row++, out += columns) {
        PyObject *text = PyList_GetItem(texts, row);
        PyObject *code = text == NULL ? NULL : PyDict_GetItemWithError(codes, text);
        *out = code == NULL ? -1.0 : PyFloat_AsDouble(code); /* unknown */
        if (PyErr_Occurred()) {
            return 0;
        }
    }
    return 1;
}

static PyObject *put_codes(PyObject *module, PyObject *args)
{
    PyObject *places, *codes, *texts;
    Py_buffer view;
    Py_ssize_t columns;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*nO!O!O!:put_codes", &view, &columns, &PyTuple_Type, &places,
                          &PyTuple_Type, &codes, &PyTuple_Type, &texts)) {
        return NULL;
    }
    const Py_ssize_t count = PyTuple_Size(places);
    const Py_ssize_t row = columns * (Py_ssize_t)sizeof(double);
    int fits = columns > 0 && columns < 1 << 24 && is_made_of(&view, sizeof(double)) &&
               view.len % row == 0 && PyTuple_Size(codes) == count && PyTuple_Size(texts) == count;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffers do not fit together");
    }
    for (Py_ssize_t i = 0; fits && i < count; i++) {
        const Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GetItem(places, i));
        if (place < 0 || place >= columns) {
            PyErr_SetString(PyExc_ValueError, "there is no such column");
            fits = 0;
        } else {
            fits = put_column(PyTuple_GetItem(codes, i), PyTuple_GetItem(texts, i),
                              (double *)view.buf + place, view.len / row, columns);
        }
    }
    PyBuffer_Release(&view);
    if (!fits) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* 1 / (1 + exp(-x)) in place, with the C library's exp as scipy.special.expit has it. */
static PyObject *expit(PyObject *module, PyObject *args)
{
    Py_buffer values;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*:expit", &values)) {
        return NULL;
    }
    if (!is_made_of(&values, sizeof(double))) {
        PyBuffer_Release(&values);
        PyErr_SetString(PyExc_ValueError, "the buffer does not hold doubles");
        return NULL;
    }
    double *value = values.buf;
    for (Py_ssize_t i = 0; i < values.len / (Py_ssize_t)sizeof(double); i++) {
        value[i] = 1.0 / (1.0 + exp(-value[i]));
    }
    PyBuffer_Release(&values);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"add_by_walk", add_by_walk, METH_VARARGS,
     "add_by_walk(matrix, columns, nodes, words, roots, first, last, out): add leaves to out."},
#ifdef HAS_SWEEP
    {"add_by_sweep", add_by_sweep, METH_VARARGS,
     "add_by_sweep(matrix, columns, nodes, words, gathers, tests, sets, leaves, trees, first, last,"
     " out, wide): add leaves to out."},
#endif
    {"widths", widths, METH_NOARGS, "widths(): the doubles of a register that a sweep can use."},
    {"add_terms", add_terms, METH_VARARGS,
     "add_terms(matrix, columns, terms, steps, groups, weights, intercept, out): write sums to "
     "out."},
    {"put_codes", put_codes, METH_VARARGS,
     "put_codes(matrix, columns, places, codes, texts): write each text's code, or -1."},
    {"expit", expit, METH_VARARGS, "expit(values): replace each by 1 / (1 + exp(-value))."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mlops.models._walk",
    .m_doc = "Compiled kernels of flat models.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__walk(void)
{
    return PyModuleDef_Init(&definition);
}
