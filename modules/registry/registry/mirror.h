/*
 * mirror.h - the registry in step with a Redis server: what is announced here is there for other
 * servers, and what they have announced is here.
 *
 * One worker of a server does it, the one that holds the lease; what it reads becomes entries of the
 * shared table, so that all workers see local and foreign members alike.
 */
#ifndef REGISTRY_MIRROR_H
#define REGISTRY_MIRROR_H

#include "registry.h"

/* NULL, or what the address of a Redis server would have to be; or why there can be none. */
const char *registry_mirror_check(struct tp_str address);

#ifdef TP_HAVE_REDIS

/* Has it done by this worker, as the use's conf says, when its turn comes.  TP_NO_MEMORY. */
enum tp_result registry_mirror_start(struct tp_sessions *home,
                                     struct registry_use *use) TP_MUST_CHECK;
void registry_mirror_stop(struct registry_use *use);

/* Members have changed: those of this server are published soon. */
void registry_mirror_note(struct registry_view *view);

#else

static inline enum tp_result
registry_mirror_start(struct tp_sessions *home, struct registry_use *use)
{
    (void) home;
    (void) use;
    return TP_UNSUPPORTED; /* The configuration was not let pass. */
}

static inline void
registry_mirror_stop(struct registry_use *use)
{
    (void) use;
}

static inline void
registry_mirror_note(struct registry_view *view)
{
    (void) view;
}

#endif

#endif
