/*
 * faulty.c - handlers that do what a handler should not: for tests of what the server then
 * does.  Built as a module from outside the tree.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

#include <signal.h>
#include <stdlib.h>

struct faulty_conf {
    int how;
};

enum {
    FAULTY_POINTER,
    FAULTY_ABORT,
    FAULTY_DIVISION,
    FAULTY_STACK,
    FAULTY_SILENT, /* returns without an answer */
};

static void faulty_handle(struct tp_exchange *exchange, const void *module_conf);
static int faulty_fill_stack(volatile int depth);

static const struct tp_word faulty_words[] = {
    { "pointer", FAULTY_POINTER }, { "abort", FAULTY_ABORT },   { "division", FAULTY_DIVISION },
    { "stack", FAULTY_STACK },     { "silent", FAULTY_SILENT }, { NULL, 0 },
};

static const struct tp_directive faulty_directives[] = {
    {
        .name = "faulty", .where = TP_IN_ROUTE, TP_WORD(struct faulty_conf, how, faulty_words),
        .preset = "silent", .since = "0.1",
        .brief = "Fails in this way.",
    },
};

const struct tp_module tp_module_faulty = {
    .name = "faulty",
    .brief = "Fails.",
    .conf_size = sizeof(struct faulty_conf),
    TP_DIRECTIVES(faulty_directives),
    .run_after = "",
    .handler = "faulty",
    .handle = faulty_handle,
};

static void
faulty_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct faulty_conf *conf = module_conf;
    volatile int *volatile nowhere = NULL;

    (void) exchange;
    switch (conf->how) {
    case FAULTY_POINTER:
        *nowhere = 1;
        return;
    case FAULTY_ABORT:
        abort();
    case FAULTY_DIVISION:
        raise(SIGFPE);
        return;
    case FAULTY_STACK:
        faulty_fill_stack(0);
        return;
    default:
        return;
    }
}

/* Until there is no room; what it returns keeps the compiler from making a loop of it. */
static int
faulty_fill_stack(volatile int depth)
{
    volatile char room[4096];

    room[0] = (char) depth;
    return depth < 0 ? 0 : faulty_fill_stack(depth + 1) + room[0];
}
