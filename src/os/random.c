/*
 * random.c - bytes that nobody can guess, from the kernel.
 *
 * Runs in: every process.
 */
#include "os/random.h"

#include <errno.h>
#include <sys/random.h>

void
tp__random_fill(void *bytes, size_t len)
{
    unsigned char *at = bytes;

    while (len > 0) {
        ssize_t count = getrandom(at, len, 0);

        TP_ASSERT(count > 0 || errno == EINTR);
        if (count > 0) {
            at += count;
            len -= (size_t) count;
        }
    }
}
