/*
 * cycle/program.h - what the command line and the build say: constant for the
 * life of the process and of all that it forks.
 */
#ifndef TP_CYCLE_PROGRAM_H
#define TP_CYCLE_PROGRAM_H

#include <teleport/module.h>

#include "conf/conf.h"
#include "os/process.h"

struct tp_program {
    struct tp_module_list modules; /* the server's own, then those that were built in */
    const struct tp_absent_directive *absent;
    const char *prefix;     /* absolute, ends in '/' */
    const char *conf_file;  /* absolute */
    const char *directives; /* of -g */
    struct tp_process_title title;
};

/* The server's own modules followed by the built ones; the array is allocated in `arena`. */
struct tp_module_list tp__program_modules(struct tp_arena *arena);

/* What tp__conf_load() needs to load this program's configuration through `loader`. */
struct tp_conf_options tp__program_conf_options(const struct tp_program *program,
                                                struct tp_conf_loader *loader);

#endif
