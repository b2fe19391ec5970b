/* Walks rows of a matrix down flat decision trees, and adds up the leaves.
 *
 * The Python side (mlops/models/kernels.py) has checked every index of the node table once, when
 * the table was loaded; here only the sizes of the buffers of one call are checked.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <math.h>
#include <stdint.h>

#define MISSING_LEFT 1u
#define UNKNOWN_LEFT 2u
#define CATEGORY 4u

/* Below this many walks, giving up the interpreter lock costs more than it lets others do. */
#define WALKS_WITH_LOCK 4096

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

static double leaf_of(const node_t *nodes, const uint64_t *words, int32_t root, const double *row)
{
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
            goes_left = (uint32_t)(words[node->at.set.word + (code >> 6)] >> (code & 63u)) & 1u;
        } else {
            goes_left = node->flags & UNKNOWN_LEFT;
        }
        node = nodes + node->child[goes_left != 0];
    }
    return node->at.cut;
}

/* Trees outside, rows inside: a tree stays in the nearest cache for all rows. Every row still adds
 * its leaves in the order of the trees, which is what makes the sum bit-equal. */
static void add_up(const double *matrix, Py_ssize_t rows, Py_ssize_t columns, const node_t *nodes,
                   const uint64_t *words, const int32_t *roots, Py_ssize_t trees, double *out)
{
    for (Py_ssize_t tree = 0; tree < trees; tree++) {
        for (Py_ssize_t row = 0; row < rows; row++) {
            out[row] += leaf_of(nodes, words, roots[tree], matrix + row * columns);
        }
    }
}

static int is_made_of(const Py_buffer *view, size_t item)
{
    return view->len % (Py_ssize_t)item == 0 && (uintptr_t)view->buf % sizeof(uint32_t) == 0;
}

static PyObject *add_leaves(PyObject *module, PyObject *args)
{
    Py_buffer matrix, nodes, words, roots, out;
    Py_ssize_t columns;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*ny*y*y*w*:add_leaves", &matrix, &columns, &nodes, &words, &roots,
                          &out)) {
        return NULL;
    }
    const Py_ssize_t rows = out.len / (Py_ssize_t)sizeof(double);
    const Py_ssize_t trees = roots.len / (Py_ssize_t)sizeof(int32_t);
    const int fits = columns >= 0 && is_made_of(&matrix, sizeof(double)) &&
                     is_made_of(&nodes, sizeof(node_t)) && is_made_of(&words, sizeof(uint64_t)) &&
                     is_made_of(&roots, sizeof(int32_t)) && is_made_of(&out, sizeof(double)) &&
                     (rows == 0 || columns <= PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(double) / rows) &&
                     matrix.len == rows * columns * (Py_ssize_t)sizeof(double);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffers do not fit together");
    } else if (trees > 0 && rows > WALKS_WITH_LOCK / trees) {
        Py_BEGIN_ALLOW_THREADS
        add_up(matrix.buf, rows, columns, nodes.buf, words.buf, roots.buf, trees, out.buf);
        Py_END_ALLOW_THREADS
    } else {
        add_up(matrix.buf, rows, columns, nodes.buf, words.buf, roots.buf, trees, out.buf);
    }
    PyBuffer_Release(&matrix);
    PyBuffer_Release(&nodes);
    PyBuffer_Release(&words);
    PyBuffer_Release(&roots);
    PyBuffer_Release(&out);
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
    {"add_leaves", add_leaves, METH_VARARGS,
     "add_leaves(matrix, columns, nodes, words, roots, out): add each row's leaves to out."},
    {"expit", expit, METH_VARARGS, "expit(values): replace each by 1 / (1 + exp(-value))."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mlops.models._walk",
    .m_doc = "Compiled walker of flat decision trees.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__walk(void)
{
    return PyModuleDef_Init(&definition);
}
