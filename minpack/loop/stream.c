#include "stream.h"

/* Fill the slots behind those that run: how many run then, or -1. `more` becomes 0 with the last fit. */
static int64_t
refill(lm_fit **slots, int64_t running, int64_t count, const lm_source *source, lm_work *work, int *more)
{
    while (*more && running < count) {
        lm_fit *slot = slots[running];
        const int answer = source->next(source->self, slot);
        if (answer < 0) {
            return -1;
        }
        if (answer == 0) {
            *more = 0;
            break;
        }
        lm_begin(slot, work);
        if (slot->state.request == REQUEST_STOP) { /* improper input */
            source->ended(source->self, slot);
        }
        else {
            running++;
        }
    }
    return running;
}

int
lm_stream(lm_fit **slots, int64_t count, const lm_source *source, const lm_evaluator *evaluator, lm_work *work)
{
    int more = 1;
    int64_t running = refill(slots, 0, count, source, work, &more);
    while (running > 0) {
        const int64_t before = running;
        running = lm_round(slots, running, evaluator, work);
        if (running < 0) {
            break;
        }
        for (int64_t i = running; i < before; i++) {
            lm_fit *slot = slots[i];
            if (source->ended(source->self, slot)) {
                lm_begin(slot, work);
                slots[i] = slots[running];
                slots[running++] = slot;
            }
        }
        running = refill(slots, running, count, source, work, &more);
    }
    return (int)running;
}
