/*
 * os/random.h - bytes that nobody can guess.
 */
#ifndef TP_OS_RANDOM_H
#define TP_OS_RANDOM_H

#include <teleport/base.h>

/* Fills `bytes`; never fails once the system is up, and waits for that.  Any thread. */
void tp__random_fill(void *bytes, size_t len);

#endif
