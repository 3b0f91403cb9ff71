/*
 * program.c - puts together the modules that this binary was built with.
 */
#include "cycle/program.h"

#include "cycle/built.h"
#include "cycle/core_directives.h"
#include "cycle/dial_directives.h"
#include "cycle/log_directives.h"
#include "cycle/server_directives.h"
#include "cycle/tls_directives.h"
#include "cycle/upstream_directives.h"
#include "session/variables.h"

static const struct tp_module *const own_modules[] = {
    &tp__module_core,
    &tp__module_events,
    &tp__module_server,
    &tp__module_route,
    &tp__module_dial,
    &tp__module_upstream,
    &tp__module_tls,
    &tp__module_log,
};

struct tp_module_list
tp__program_modules(struct tp_arena *arena)
{
    size_t own_count = TP_COUNT_OF(own_modules);
    size_t count = own_count + tp__built_module_count;
    const struct tp_module **modules = tp__arena_new_array(arena, const struct tp_module *, count);

    for (size_t i = 0; i < own_count; i++) {
        modules[i] = own_modules[i];
    }
    for (size_t i = 0; i < tp__built_module_count; i++) {
        modules[own_count + i] = tp__built_modules[i];
    }
    return (struct tp_module_list){ .modules = modules, .count = count };
}

struct tp_conf_options
tp__program_conf_options(const struct tp_program *program, struct tp_conf_loader *loader)
{
    return (struct tp_conf_options){
        .modules = program->modules,
        .run_variables = tp__variables,
        .absent = program->absent,
        .loader = loader,
        .file = program->conf_file,
        .prefix = program->prefix,
        .directives = program->directives,
    };
}
