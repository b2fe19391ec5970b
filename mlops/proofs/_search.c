/* Inner loops of the search for a raw score's ends: the dual of the relaxation, and the climb.
 *
 * The Python side (mlops/proofs/relaxation.py and climb.py) builds every table and has a numpy
 * twin of each function; here only the sizes of the buffers of one call are checked. Nothing that
 * is computed here is trusted: a bound is evaluated again in numpy, a row by the program.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TINY 1e-290 /* below it a sum of shares has lost its digits */
#define TINY_SHARE (-40.0) /* e^-40 of a group's weight is not worth an exponential */

typedef struct {
    int32_t variables, groups, parts, prices, masks, leaves, cells_total;
    const int32_t *cells;      /* [variables + 1] first cell */
    const int32_t *first_part; /* [groups + 1] */
    const int32_t *variable;   /* [parts] */
    const int32_t *first_price; /* [parts + 1], one price a piece */
    const int32_t *first_run;  /* [parts + 1] */
    const int32_t *run_cell;   /* [runs] first cell within the variable */
    const int32_t *run_piece;  /* [runs] */
    const int32_t *first_mask; /* [parts + 1] */
    const uint64_t *mask;      /* [masks] sets of pieces */
    const int32_t *first_leaf; /* [groups + 1] */
    const double *value;       /* [leaves] */
    const int32_t *first_condition; /* [leaves + 1] */
    const int32_t *condition;  /* mask that a leaf asks for */
    const uint64_t *allowed;   /* [parts] */
    const uint8_t *open;       /* [cells_total] */
} problem;

typedef struct {
    double *share;   /* [prices] exp of price over the largest */
    double *top;     /* [parts] largest allowed price */
    double *sum;     /* [parts] sum of shares */
    double *cost;    /* [masks] what a mask takes from the group's sum */
    double *passing; /* [masks] sum of the shares in a mask */
    double *flow;    /* [masks] weight that passes a mask */
    double *score;   /* [largest group] */
    double *rest;    /* [cells_total + variables] */
    double *gradient; /* [prices] */
} scratch;

static void price_parts(const problem *p, const double *price, double mu, scratch *s)
{
    for (int32_t part = 0; part < p->parts; part++) {
        const int32_t first = p->first_price[part], count = p->first_price[part + 1] - first;
        const double *own = price + first;
        double *share = s->share + first;
        const uint64_t allowed = p->allowed[part];
        double top = -INFINITY, sum = 0.0;
        for (int32_t i = 0; i < count; i++) {
            if (allowed >> i & 1u && own[i] > top) {
                top = own[i];
            }
        }
        if (mu > 0.0) {
            for (int32_t i = 0; i < count; i++) {
                share[i] = allowed >> i & 1u ? exp((own[i] - top) / mu) : 0.0;
                sum += share[i];
            }
            s->sum[part] = sum;
        }
        s->top[part] = top;
        for (int32_t m = p->first_mask[part]; m < p->first_mask[part + 1]; m++) {
            uint64_t bits = p->mask[m] & allowed;
            double best = -INFINITY, passing = 0.0;
            while (bits) {
                const int i = __builtin_ctzll(bits);
                bits &= bits - 1;
                best = own[i] > best ? own[i] : best;
                passing += mu > 0.0 ? share[i] : 0.0;
            }
            s->flow[m] = 0.0;
            s->passing[m] = passing;
            s->cost[m] = passing > TINY ? mu * log(passing / sum) : best - top;
        }
    }
}

/* What the prices leave to each cell: minus the sum of its pieces' prices. */
static void rest_of(const problem *p, const double *price, double *rest)
{
    memset(rest, 0, sizeof(double) * (size_t)(p->cells_total + p->variables));
    for (int32_t part = 0; part < p->parts; part++) {
        const int32_t v = p->variable[part];
        double *own = rest + p->cells[v] + v;
        const double *prices = price + p->first_price[part];
        double before = 0.0;
        for (int32_t run = p->first_run[part]; run < p->first_run[part + 1]; run++) {
            const double now = prices[p->run_piece[run]];
            own[p->run_cell[run]] -= now - before;
            before = now;
        }
    }
}

static double hard(const problem *p, const double *price, scratch *s)
{
    double bound = 0.0;
    price_parts(p, price, 0.0, s);
    for (int32_t g = 0; g < p->groups; g++) {
        double best = -INFINITY;
        for (int32_t leaf = p->first_leaf[g]; leaf < p->first_leaf[g + 1]; leaf++) {
            double score = p->value[leaf];
            for (int32_t c = p->first_condition[leaf]; c < p->first_condition[leaf + 1]; c++) {
                score += s->cost[p->condition[c]];
            }
            if (score > best) {
                best = score;
            }
        }
        for (int32_t part = p->first_part[g]; part < p->first_part[g + 1]; part++) {
            best += s->top[part];
        }
        bound += best;
    }
    rest_of(p, price, s->rest);
    for (int32_t v = 0; v < p->variables; v++) {
        const double *own = s->rest + p->cells[v] + v;
        double sum = 0.0, best = -INFINITY;
        for (int32_t c = 0; c < p->cells[v + 1] - p->cells[v]; c++) {
            sum += own[c];
            if (p->open[p->cells[v] + c] && sum > best) {
                best = sum;
            }
        }
        bound += best;
    }
    return bound;
}

static int dearest(uint64_t bits, const problem *p, int32_t part, const double *price)
{
    const double *own = price + p->first_price[part];
    int found = __builtin_ctzll(bits);
    while (bits) {
        const int i = __builtin_ctzll(bits);
        bits &= bits - 1;
        found = own[i] > own[found] ? i : found;
    }
    return found;
}

static void weigh_group(const problem *p, int32_t g, const double *price, double mu, scratch *s)
{
    const int32_t first = p->first_leaf[g], last = p->first_leaf[g + 1];
    double best = -INFINITY, total = 0.0;
    for (int32_t leaf = first; leaf < last; leaf++) {
        double score = p->value[leaf];
        for (int32_t c = p->first_condition[leaf]; c < p->first_condition[leaf + 1]; c++) {
            score += s->cost[p->condition[c]];
        }
        s->score[leaf - first] = score;
        if (score > best) {
            best = score;
        }
    }
    const double least = best + TINY_SHARE * mu;
    for (int32_t i = 0; i < last - first; i++) {
        if (s->score[i] >= least) {
            s->score[i] = exp((s->score[i] - best) / mu);
            total += s->score[i];
        } else {
            s->score[i] = 0.0;
        }
    }
    for (int32_t leaf = first; leaf < last; leaf++) {
        const double weight = s->score[leaf - first] / total;
        if (weight > 0.0) {
            for (int32_t c = p->first_condition[leaf]; c < p->first_condition[leaf + 1]; c++) {
                s->flow[p->condition[c]] += weight;
            }
        }
    }
    for (int32_t part = p->first_part[g]; part < p->first_part[g + 1]; part++) {
        const double *share = s->share + p->first_price[part];
        double *gradient = s->gradient + p->first_price[part];
        double unasked = 1.0; /* weight of the leaves that do not ask this variable */
        for (int32_t m = p->first_mask[part]; m < p->first_mask[part + 1]; m++) {
            const double flow = s->flow[m];
            if (flow <= 0.0) {
                continue;
            }
            unasked -= flow;
            uint64_t bits = p->mask[m] & p->allowed[part];
            if (s->passing[m] <= TINY) { /* all shares underflow: the dearest piece has it all */
                gradient[dearest(bits, p, part, price)] += flow;
                continue;
            }
            const double each = flow / s->passing[m];
            while (bits) {
                const int i = __builtin_ctzll(bits);
                bits &= bits - 1;
                gradient[i] += each * share[i];
            }
        }
        const double each = unasked / s->sum[part];
        for (int32_t i = 0; i < p->first_price[part + 1] - p->first_price[part]; i++) {
            gradient[i] += each * share[i];
        }
    }
}

/* The gradient of the smoothed dual, into scratch. */
static void soft(const problem *p, const double *price, double mu, scratch *s)
{
    price_parts(p, price, mu, s);
    memset(s->gradient, 0, sizeof(double) * (size_t)p->prices);
    for (int32_t g = 0; g < p->groups; g++) {
        weigh_group(p, g, price, mu, s);
    }
    rest_of(p, price, s->rest);
    for (int32_t v = 0; v < p->variables; v++) {
        double *own = s->rest + p->cells[v] + v;
        const uint8_t *open = p->open + p->cells[v];
        const int32_t count = p->cells[v + 1] - p->cells[v];
        double sum = 0.0, best = -INFINITY, total = 0.0;
        for (int32_t c = 0; c < count; c++) {
            sum += own[c];
            own[c] = sum;
            if (open[c] && sum > best) {
                best = sum;
            }
        }
        for (int32_t c = 0; c < count; c++) {
            own[c] = open[c] ? exp((own[c] - best) / mu) : 0.0;
            total += own[c];
        }
        sum = 0.0;
        for (int32_t c = 0; c < count; c++) {
            const double now = own[c] / total;
            own[c] = sum;
            sum += now;
        }
        own[count] = sum;
    }
    for (int32_t part = 0; part < p->parts; part++) {
        const int32_t v = p->variable[part], count = p->cells[v + 1] - p->cells[v];
        const double *before = s->rest + p->cells[v] + v;
        double *gradient = s->gradient + p->first_price[part];
        for (int32_t run = p->first_run[part]; run < p->first_run[part + 1]; run++) {
            const int32_t end = run + 1 < p->first_run[part + 1] ? p->run_cell[run + 1] : count;
            gradient[p->run_piece[run]] -= before[end] - before[p->run_cell[run]];
        }
    }
}

/* Adam on the smoothed dual; leaves the best prices in `price` and returns their bound. */
static double descend(const problem *p, double *price, double *now, double *moments, scratch *s,
                      int steps, double mu_first, double mu_last, double rate)
{
    const double keep_mean = 0.9, keep_square = 0.99, floor = 1e-3;
    double *mean = moments, *square = moments + p->prices;
    double fade_mean = 1.0, fade_square = 1.0;
    double best = hard(p, price, s);
    memcpy(now, price, sizeof(double) * (size_t)p->prices);
    for (int step = 0; step < steps; step++) {
        const double mu = mu_first * pow(mu_last / mu_first, (double)step / steps);
        soft(p, now, mu, s);
        fade_mean *= keep_mean;
        fade_square *= keep_square;
        for (int32_t i = 0; i < p->prices; i++) {
            const double g = s->gradient[i];
            mean[i] = keep_mean * mean[i] + (1.0 - keep_mean) * g;
            square[i] = keep_square * square[i] + (1.0 - keep_square) * g * g;
            now[i] -= rate * mu * (mean[i] / (1.0 - fade_mean)) /
                      (sqrt(square[i] / (1.0 - fade_square)) + floor);
        }
        if (step % 20 == 19 || step == steps - 1) {
            const double bound = hard(p, now, s);
            if (bound < best) {
                best = bound;
                memcpy(price, now, sizeof(double) * (size_t)p->prices);
            }
        }
    }
    return best;
}

typedef struct {
    Py_buffer view[16];
    int taken;
} views;

static void release(views *all)
{
    while (all->taken > 0) {
        PyBuffer_Release(&all->view[--all->taken]);
    }
}

/* Takes buffers out of a sequence; 0 and an exception if one is none or of a wrong size. */
static int take(PyObject *sequence, views *all, int count, int writable_from)
{
    if (PySequence_Size(sequence) != count) {
        PyErr_SetString(PyExc_ValueError, "another number of tables was expected");
        return 0;
    }
    for (int i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(sequence, i);
        if (item == NULL) {
            return 0;
        }
        const int flags = i >= writable_from ? PyBUF_WRITABLE : PyBUF_SIMPLE;
        const int failed = PyObject_GetBuffer(item, &all->view[all->taken], flags);
        Py_DECREF(item);
        if (failed) {
            return 0;
        }
        all->taken++;
    }
    return 1;
}

static Py_ssize_t length(const Py_buffer *view, size_t item)
{
    return view->len / (Py_ssize_t)item;
}

static int is_sound(const problem *p, const Py_buffer *v)
{
    return p->variables >= 0 && p->parts >= 0 && p->groups >= 0 && p->leaves >= 0 &&
           p->cells[p->variables] == p->cells_total && p->first_part[p->groups] == p->parts &&
           length(&v[2], 4) == p->parts && p->first_price[p->parts] == p->prices &&
           length(&v[4], 4) == p->parts + 1 && length(&v[5], 4) == p->first_run[p->parts] &&
           length(&v[6], 4) == p->first_run[p->parts] && length(&v[7], 4) == p->parts + 1 &&
           p->first_mask[p->parts] == p->masks && length(&v[9], 4) == p->groups + 1 &&
           p->first_leaf[p->groups] == p->leaves && length(&v[11], 4) == p->leaves + 1 &&
           length(&v[12], 4) == p->first_condition[p->leaves] && length(&v[13], 8) == p->parts;
}

static PyObject *relax(PyObject *module, PyObject *args)
{
    PyObject *tables;
    int steps;
    double mu_first, mu_last, rate, bound = 0.0;
    views all = {.taken = 0};
    (void)module;
    if (!PyArg_ParseTuple(args, "Oiddd:relax", &tables, &steps, &mu_first, &mu_last, &rate)) {
        return NULL;
    }
    if (!take(tables, &all, 16, 15)) {
        release(&all);
        return NULL;
    }
    const Py_buffer *v = all.view;
    problem p = {
        .variables = (int32_t)(length(&v[0], 4) - 1), .groups = (int32_t)(length(&v[1], 4) - 1),
        .parts = (int32_t)length(&v[2], 4), .prices = (int32_t)length(&v[15], 8),
        .masks = (int32_t)length(&v[8], 8), .leaves = (int32_t)length(&v[10], 8),
        .cells_total = (int32_t)v[14].len, .cells = v[0].buf, .first_part = v[1].buf,
        .variable = v[2].buf, .first_price = v[3].buf, .first_run = v[4].buf,
        .run_cell = v[5].buf, .run_piece = v[6].buf, .first_mask = v[7].buf, .mask = v[8].buf,
        .first_leaf = v[9].buf, .value = v[10].buf, .first_condition = v[11].buf,
        .condition = v[12].buf, .allowed = v[13].buf, .open = v[14].buf,
    };
    if (length(&v[3], 4) != p.parts + 1 || !is_sound(&p, v)) {
        release(&all);
        PyErr_SetString(PyExc_ValueError, "the tables do not fit together");
        return NULL;
    }
    int32_t largest = 0;
    for (int32_t g = 0; g < p.groups; g++) {
        const int32_t size = p.first_leaf[g + 1] - p.first_leaf[g];
        largest = size > largest ? size : largest;
    }
    const size_t need = 5 * (size_t)p.prices + 2 * (size_t)p.parts + 3 * (size_t)p.masks +
                        (size_t)largest + (size_t)p.cells_total + (size_t)p.variables;
    double *memory = calloc(need + 1, sizeof(double));
    if (memory == NULL) {
        release(&all);
        return PyErr_NoMemory();
    }
    scratch s;
    double *now = memory, *moments = now + p.prices;
    s.share = moments + 2 * p.prices;
    s.gradient = s.share + p.prices;
    s.top = s.gradient + p.prices;
    s.sum = s.top + p.parts;
    s.cost = s.sum + p.parts;
    s.passing = s.cost + p.masks;
    s.flow = s.passing + p.masks;
    s.score = s.flow + p.masks;
    s.rest = s.score + largest;
    Py_BEGIN_ALLOW_THREADS
    bound = descend(&p, v[15].buf, now, moments, &s, steps, mu_first, mu_last, rate);
    Py_END_ALLOW_THREADS
    free(memory);
    release(&all);
    return PyFloat_FromDouble(bound);
}

/* A climb: the row that moves from cell to cell, a variable at a time. */

#define WORDS_MOST 64 /* 4096 cells a variable */

typedef struct {
    int32_t variables, trees;
    const int32_t *cells;     /* [variables + 1] first cell */
    const int32_t *owner;     /* [nodes] variable, -1 at leaves */
    const int32_t *child;     /* [nodes][2] right, left */
    const double *value;      /* [nodes] a leaf's value */
    const int32_t *first_word; /* [nodes] */
    const uint64_t *words;    /* sets of cells that go left */
    const int32_t *roots;     /* [trees] */
    const int32_t *first_use; /* [variables + 1] */
    const int32_t *uses;      /* trees that ask for a variable */
    const uint8_t *shown;     /* [cells] whether a row can be shown for it */
    uint64_t state[2];
} forest;

static uint64_t draw(forest *f)
{
    uint64_t a = f->state[0], b = f->state[1];
    const uint64_t drawn = a + b;
    b ^= a;
    f->state[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
    f->state[1] = (b << 37) | (b >> 27);
    return drawn;
}

static int32_t draw_below(forest *f, int32_t count)
{
    return (int32_t)((draw(f) >> 33) % (uint64_t)count);
}

static int in_set(const uint64_t *words, int32_t cell)
{
    return (int)(words[cell >> 6] >> (cell & 63) & 1u);
}

static double leaf_value(const forest *f, int32_t node, const int32_t *row)
{
    while (f->owner[node] >= 0) {
        node = f->child[2 * node + in_set(f->words + f->first_word[node], row[f->owner[node]])];
    }
    return f->value[node];
}

static double row_value(const forest *f, const int32_t *row)
{
    double sum = 0.0;
    for (int32_t t = 0; t < f->trees; t++) {
        sum += leaf_value(f, f->roots[t], row);
    }
    return sum;
}

/* Adds a tree's leaves to every cell of one variable, the others staying where they are. */
static void spread(const forest *f, int32_t node, const int32_t *row, int32_t v,
                   const uint64_t *cells, int words, double *sums)
{
    while (f->owner[node] >= 0 && f->owner[node] != v) {
        node = f->child[2 * node + in_set(f->words + f->first_word[node], row[f->owner[node]])];
    }
    if (f->owner[node] < 0) {
        const double value = f->value[node];
        for (int w = 0; w < words; w++) {
            for (uint64_t bits = cells[w]; bits; bits &= bits - 1) {
                sums[w * 64 + __builtin_ctzll(bits)] += value;
            }
        }
        return;
    }
    uint64_t left[WORDS_MOST], right[WORDS_MOST], any_left = 0, any_right = 0;
    const uint64_t *set = f->words + f->first_word[node];
    for (int w = 0; w < words; w++) {
        any_left |= left[w] = cells[w] & set[w];
        any_right |= right[w] = cells[w] & ~set[w];
    }
    if (any_left) {
        spread(f, f->child[2 * node + 1], row, v, left, words, sums);
    }
    if (any_right) {
        spread(f, f->child[2 * node], row, v, right, words, sums);
    }
}

static void whole_set(int32_t count, uint64_t *cells)
{
    for (int w = 0; w < (count + 63) / 64; w++) {
        cells[w] = ~(uint64_t)0;
    }
    if (count & 63) {
        cells[count / 64] = ((uint64_t)1 << (count & 63)) - 1;
    }
}

/* Moves one variable at a time to its best cell until none gains. */
static void climb_up(forest *f, int32_t *row, int32_t *order)
{
    double sums[64 * WORDS_MOST];
    uint64_t cells[WORDS_MOST];
    for (int32_t i = f->variables - 1; i >= 0; i--) {
        const int32_t j = draw_below(f, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    int32_t idle = 0;
    for (int32_t turn = 0; idle < f->variables; turn = (turn + 1) % f->variables) {
        const int32_t v = order[turn], count = f->cells[v + 1] - f->cells[v];
        memset(sums, 0, sizeof(double) * (size_t)count);
        whole_set(count, cells);
        for (int32_t u = f->first_use[v]; u < f->first_use[v + 1]; u++) {
            spread(f, f->roots[f->uses[u]], row, v, cells, (count + 63) / 64, sums);
        }
        int32_t best = row[v];
        for (int32_t c = 0; c < count; c++) {
            if (f->shown[f->cells[v] + c] && sums[c] > sums[best] + 1e-12) {
                best = c;
            }
        }
        idle = best == row[v] ? idle + 1 : 1;
        row[v] = best;
    }
}

static int32_t draw_shown(forest *f, int32_t v)
{
    const int32_t count = f->cells[v + 1] - f->cells[v];
    for (;;) {
        const int32_t cell = draw_below(f, count);
        if (f->shown[f->cells[v] + cell]) {
            return cell;
        }
    }
}

/* Moves the row into some leaf of some tree, where that needs cells that can be shown. */
static void jump(forest *f, int32_t *row)
{
    int32_t node = f->roots[draw_below(f, f->trees)];
    while (f->owner[node] >= 0) {
        const int32_t v = f->owner[node];
        const uint64_t *set = f->words + f->first_word[node];
        const int wanted = (int)(draw(f) >> 63);
        for (int tries = 0; tries < 8 && in_set(set, row[v]) != wanted; tries++) {
            const int32_t cell = draw_shown(f, v);
            row[v] = in_set(set, cell) == wanted ? cell : row[v];
        }
        node = f->child[2 * node + in_set(set, row[v])];
    }
}

static double search_rows(forest *f, int rounds, double heat, int32_t *found, int32_t *memory)
{
    const size_t size = sizeof(int32_t) * (size_t)f->variables;
    int32_t *here = memory, *next = here + f->variables, *order = next + f->variables;
    for (int32_t v = 0; v < f->variables; v++) {
        order[v] = v;
    }
    memcpy(here, found, size);
    climb_up(f, here, order);
    double now = row_value(f, here), best = row_value(f, found);
    if (now > best) {
        best = now;
        memcpy(found, here, size);
    }
    for (int round = 0; round < rounds; round++) {
        memcpy(next, here, size);
        if (draw(f) >> 63) {
            jump(f, next);
        } else {
            for (int32_t moves = 1 + draw_below(f, 4); moves > 0; moves--) {
                const int32_t v = draw_below(f, f->variables);
                next[v] = draw_shown(f, v);
            }
        }
        climb_up(f, next, order);
        const double then = row_value(f, next);
        if (then >= now || exp((then - now) / heat) > (double)(draw(f) >> 11) * 0x1p-53) {
            memcpy(here, next, size);
            now = then;
        }
        if (now > best) {
            best = now;
            memcpy(found, here, size);
        }
    }
    return best;
}

static PyObject *climb(PyObject *module, PyObject *args)
{
    PyObject *tables;
    int rounds;
    double heat, best = 0.0;
    unsigned long long seed, other;
    views all = {.taken = 0};
    (void)module;
    if (!PyArg_ParseTuple(args, "OidKK:climb", &tables, &rounds, &heat, &seed, &other)) {
        return NULL;
    }
    if (!take(tables, &all, 11, 10)) {
        release(&all);
        return NULL;
    }
    const Py_buffer *v = all.view;
    forest f = {
        .variables = (int32_t)(length(&v[0], 4) - 1), .trees = (int32_t)length(&v[6], 4),
        .cells = v[0].buf, .owner = v[1].buf, .child = v[2].buf, .value = v[3].buf,
        .first_word = v[4].buf, .words = v[5].buf, .roots = v[6].buf, .first_use = v[7].buf,
        .uses = v[8].buf, .shown = v[9].buf, .state = {seed | 1u, other},
    };
    const Py_ssize_t nodes = length(&v[1], 4);
    int fits = f.variables > 0 && length(&v[2], 8) == nodes && length(&v[3], 8) == nodes &&
               length(&v[4], 4) == nodes && length(&v[7], 4) == f.variables + 1 &&
               length(&v[8], 4) == f.first_use[f.variables] && length(&v[10], 4) == f.variables &&
               v[9].len == f.cells[f.variables] && f.trees > 0;
    for (int32_t i = 0; fits && i < f.variables; i++) {
        fits = f.cells[i + 1] > f.cells[i] && f.cells[i + 1] - f.cells[i] <= 64 * WORDS_MOST;
    }
    int32_t *memory = fits ? malloc(sizeof(int32_t) * 3 * (size_t)f.variables) : NULL;
    if (memory == NULL) {
        release(&all);
        PyErr_SetString(PyExc_ValueError, "the tables do not fit together");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    best = search_rows(&f, rounds, heat, v[10].buf, memory);
    Py_END_ALLOW_THREADS
    free(memory);
    release(&all);
    return PyFloat_FromDouble(best);
}

static PyMethodDef methods[] = {
    {"climb", climb, METH_VARARGS,
     "climb(tables, rounds, heat, seed, other): look for a row with a large sum, in place."},
    {"relax", relax, METH_VARARGS,
     "relax(tables, steps, mu_first, mu_last, rate): lower the dual; prices change in place."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mlops.proofs._search",
    .m_doc = "Inner loops of the search for a raw score's ends.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__search(void)
{
    return PyModuleDef_Init(&definition);
}
