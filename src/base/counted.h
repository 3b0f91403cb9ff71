/*
 * base/counted.h - what is shared within a thread and ends with its last user.
 */
#ifndef TP_BASE_COUNTED_H
#define TP_BASE_COUNTED_H

#include <teleport/base.h>

struct tp_counted;
typedef void (*tp_counted_fn)(struct tp_counted *counted);

/* Embedded in the shared object; `on_unused` frees it when nobody holds it any more. */
struct tp_counted {
    size_t holders;
    tp_counted_fn on_unused;
};

/* The maker is the first holder. */
static inline void
tp__counted_init(struct tp_counted *counted, tp_counted_fn on_unused)
{
    *counted = (struct tp_counted){ .holders = 1, .on_unused = on_unused };
}

static inline void
tp__counted_acquire(struct tp_counted *counted)
{
    TP_ASSERT(counted->holders > 0);
    counted->holders++;
}

/* The caller must not use the object afterwards. */
static inline void
tp__counted_release(struct tp_counted *counted)
{
    TP_ASSERT(counted->holders > 0);
    if (--counted->holders == 0) {
        counted->on_unused(counted);
    }
}

#endif
