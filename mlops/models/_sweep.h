/* A sweep of one block of rows, for one width of vector registers: included once for each width.
 *
 * Wanted before, and undone at the end: LANES, the doubles of a register; TARGET, the attribute of
 * functions that may use it; NAMED(x), which makes x a name of this width. Also the types of _walk.c. Only the vector
 * extensions of GCC and clang are used, no intrinsics, so every processor has the narrow width.
 */

typedef double NAMED(numbers_t) __attribute__((vector_size(8 * LANES)));
typedef uint64_t NAMED(mask_t) __attribute__((vector_size(8 * LANES)));
#define NUMBERS NAMED(numbers_t)
#define MASK NAMED(mask_t)

/* A loop would be spread element by element; a braced list becomes one instruction. */
#if LANES == 4
#define SPREAD(value) {value, value, value, value}
#else
#define SPREAD(value) {value, value}
#endif

/* Each of the four below answers some tests of one tree: the leaves of a row that goes right are
 * struck off `alive`, but for those that the test lets stay. */

TARGET INLINE void NAMED(missing_left)(MASK *alive, const cell_t *block, const test_t *t,
                                       const test_t *end, const int vectors)
{
    for (; t < end; t++) {
        const NUMBERS *x = (const NUMBERS *)(block + (size_t)t->column * vectors * LANES);
        const NUMBERS cut = SPREAD(t->at.cut);
        const MASK stay = SPREAD(t->stay);
        for (int v = 0; v < vectors; v++) {
            alive[v] &= stay | ~(MASK)(x[v] > cut); /* false for NaN */
        }
    }
}

TARGET INLINE void NAMED(missing_right)(MASK *alive, const cell_t *block, const test_t *t,
                                        const test_t *end, const int vectors)
{
    for (; t < end; t++) {
        const NUMBERS *x = (const NUMBERS *)(block + (size_t)t->column * vectors * LANES);
        const NUMBERS cut = SPREAD(t->at.cut);
        const MASK stay = SPREAD(t->stay);
        for (int v = 0; v < vectors; v++) {
            alive[v] &= stay | (MASK)(x[v] <= cut); /* false for NaN */
        }
    }
}

TARGET INLINE void NAMED(few_codes)(MASK *alive, const cell_t *block, const test_t *t,
                                    const test_t *end, const int vectors)
{
    const MASK one = SPREAD(1);
    for (; t < end; t++) {
        const MASK *code = (const MASK *)(block + (size_t)t->column * vectors * LANES);
        const MASK left = SPREAD(t->at.codes);
        const MASK stay = SPREAD(t->stay);
        for (int v = 0; v < vectors; v++) {
            alive[v] &= stay | -(left >> code[v] & one);
        }
    }
}

TARGET INLINE void NAMED(many_codes)(MASK *alive, const cell_t *block, const test_t *t,
                                     const test_t *end, const uint64_t *sets, const int vectors)
{
    for (; t < end; t++) {
        const cell_t *cell = block + (size_t)t->column * vectors * LANES;
        const uint64_t *left = sets + t->at.word;
        const MASK stay = SPREAD(t->stay);
        for (int v = 0; v < vectors; v++, cell += LANES) {
            MASK answer = SPREAD(0);
            for (int i = 0; i < LANES; i++) {
                answer[i] = -(left[cell[i].code >> 6] >> (cell[i].code & 63u) & 1u);
            }
            alive[v] &= stay | answer;
        }
    }
}

/* Add the leaves of some rows from `first` on, at most `vectors` * LANES, to their sums. */
TARGET INLINE void NAMED(sweep_block)(const table_t *table, const plan_t *plan, Py_ssize_t first,
                                      cell_t *block, double *out, const int vectors)
{
    const int width = vectors * LANES;
    const int rows = table->rows - first < width ? (int)(table->rows - first) : width;
    double sums[MOST_ROWS] = {0.0};
    gather(table, plan, first, rows, width, block);
    for (int row = 0; row < rows; row++) {
        sums[row] = out[first + row];
    }
    for (const tree_t *tree = plan->trees; tree < plan->end; tree++) {
        if (tree->leaf < 0) {
            for (int row = 0; row < rows; row++) {
                const double *values = table->matrix + (first + row) * table->columns;
                sums[row] += leaf_of(table, tree->root, values);
            }
            continue;
        }
        const test_t *t = plan->tests + tree->test;
        const double *leaves = plan->leaves + tree->leaf;
        MASK alive[MOST_ROWS / LANES];
        for (int v = 0; v < vectors; v++) {
            alive[v] = (MASK)SPREAD(~(uint64_t)0);
        }
        NAMED(missing_left)(alive, block, t, t + tree->ends[0], vectors);
        NAMED(missing_right)(alive, block, t + tree->ends[0], t + tree->ends[1], vectors);
        NAMED(few_codes)(alive, block, t + tree->ends[1], t + tree->ends[2], vectors);
        NAMED(many_codes)(alive, block, t + tree->ends[2], t + tree->ends[3], plan->sets, vectors);
        for (int v = 0; v < vectors; v++) {
            for (int i = 0; i < LANES; i++) {
                sums[v * LANES + i] += leaves[__builtin_ctzll(alive[v][i])];
            }
        }
    }
    for (int row = 0; row < rows; row++) {
        out[first + row] = sums[row];
    }
}

/* Add the leaves of all rows, in blocks as wide as is worth while: 24 rows take longer in one of 32
 * than in one of 16 and one of 8. */
TARGET static void NAMED(sweep)(const table_t *table, const plan_t *plan, cell_t *block, double *out)
{
    for (Py_ssize_t first = 0; first < table->rows;) {
        const Py_ssize_t left = table->rows - first;
        if (left > 24) {
            NAMED(sweep_block)(table, plan, first, block, out, 32 / LANES);
            first += 32;
        } else if (left > 8) {
            NAMED(sweep_block)(table, plan, first, block, out, 16 / LANES);
            first += 16;
        } else if (left > 4) {
            NAMED(sweep_block)(table, plan, first, block, out, 8 / LANES);
            first += 8;
        } else {
            NAMED(sweep_block)(table, plan, first, block, out, 4 / LANES);
            first += 4;
        }
    }
}

#undef SPREAD
#undef MASK
#undef NUMBERS
#undef NAMED
#undef TARGET
#undef LANES
