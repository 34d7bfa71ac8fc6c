#include "model.h"

#include "differences.h"

enum { MODEL_TRIAL = 1, MODEL_OTHER = 2, MODEL_GONE = 1 };

/* One call of the model's, as an lm_function. */
typedef struct {
    const lm_model *model;
    lm_fit *fit;
    void *p;
    int m;
    double *fjac;
    int iflag;
} model_call;

/* F(x): 0; MODEL_GONE where all fits end; what the model says where its fit does. */
static int
model_function(void *self, const double *x, double *fvec)
{
    const model_call *c = self;
    const lm_model *model = c->model;
    const int n = (int)c->fit->n;
    if (!model->goes_on(model->observer)) {
        return MODEL_GONE;
    }
    c->fit->state.nfev += 1;
    const int answer = model->residuals != NULL
                           ? model->residuals(c->p, c->m, n, x, fvec, c->iflag)
                           : model->both(c->p, c->m, n, x, fvec, c->fjac, c->m, MODEL_TRIAL);
    return answer < 0 ? answer : 0;
}

static int
model_derivatives(const model_call *c, double *fvec)
{
    const lm_model *model = c->model;
    if (!model->goes_on(model->observer)) {
        return MODEL_GONE;
    }
    c->fit->state.njev += 1;
    const int answer = model->derivatives(c->p, c->m, (int)c->fit->n, c->fit->x, fvec, c->fjac, c->m, MODEL_OTHER);
    return answer < 0 ? answer : 0;
}

/* What the answer of a call means for the loop. */
static int
model_status(lm_fit *fit, int answer)
{
    if (answer < 0) {
        lm_end(fit, answer);
    }
    return answer == MODEL_GONE ? -1 : 0;
}

int
lm_model_residual(const lm_model *model, lm_fit *fit, void *p, int64_t m, double *f_trial, double *fjac)
{
    model_call c = {model, fit, p, (int)m, fjac, MODEL_TRIAL};
    const int answer = model_function(&c, fit->x_trial, f_trial);
    fit->state.fnorm_trial = lm_norm(m, f_trial);
    return model_status(fit, answer);
}

int
lm_model_jacobian(const lm_model *model, lm_fit *fit, void *p, int64_t m, double *fvec, double epsfcn,
                  double *fjac)
{
    model_call c = {model, fit, p, (int)m, fjac, MODEL_OTHER};
    const int answer = model->derivatives != NULL
                           ? model_derivatives(&c, fvec)
                           : lm_differences(fit, m, fvec, epsfcn, fjac, m, model_function, &c);
    return model_status(fit, answer);
}

int
lm_model_values(const lm_model *model, lm_fit *fit, void *p, int64_t m, double epsfcn, double *values, double *h)
{
    model_call c = {model, fit, p, (int)m, NULL, MODEL_OTHER};
    return model_status(fit, lm_difference_values(fit, m, epsfcn, values, h, model_function, &c));
}
