/*
 * cycle/built.h - what ./configure decided: the modules of this build.  The
 * definitions are generated (objs/modules.c).
 */
#ifndef TP_CYCLE_BUILT_H
#define TP_CYCLE_BUILT_H

#include <teleport/module.h>

/* The modules from modules/ and --add-module, in the order their hooks run. */
extern const struct tp_module *const tp__built_modules[];
extern const size_t tp__built_module_count;

/* Directives of modules that are in the source tree but were left out; ended by a NULL row. */
extern const struct tp_absent_directive tp__absent_directives[];
extern const size_t tp__absent_directive_count;

#endif
