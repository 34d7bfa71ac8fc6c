/* What the C programs of the tests say of a promise that is not kept. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdio.h>

static int failures = 0;

static void
check(int passed, const char *what)
{
    if (!passed) {
        failures++;
        printf("failed: %s\n", what);
    }
}

#endif
