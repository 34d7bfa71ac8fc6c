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
