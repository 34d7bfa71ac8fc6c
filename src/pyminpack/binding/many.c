#include "many.h"

int
many_moved(void *Py_UNUSED(self), lm_fit *const *fits, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        many_fit *s = (many_fit *)fits[i];
        double *accepted = s->f_trial;
        s->f_trial = s->f;
        s->f = accepted;
    }
    return 0;
}

void
many_factor(many *b, many_fit *s)
{
    const int64_t m = s->m, n = b->n;
    if (lm_factor_by_rows(m, n)) {
        lm_factor_whole(&s->fit.factors, m, n, b->fjac, 1, m, s->f, b->work.scratch, 1);
    }
    else {
        lm_factor_in_place(&s->fit.factors, m, n, b->fjac, s->f, b->work.p, b->work.work, b->column);
    }
}
