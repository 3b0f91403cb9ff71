/*
 * cycle/dial_directives.h - what `dial` blocks say.
 */
#ifndef TP_CYCLE_DIAL_DIRECTIVES_H
#define TP_CYCLE_DIAL_DIRECTIVES_H

#include <teleport/module.h>

#include "server/credentials.h"

struct tp_dial_conf {
    struct tp_str target;
    struct tp_str protocol;
    bool ssl;
    struct tp_msec dial_timeout;
    struct tp_msec redial_first; /* 0: it is not dialed again */
    struct tp_msec redial_max;
    int64_t redial_times; /* -1: for ever */
    struct tp_str credentials_file;
    struct tp_str credentials_environment;
    struct tp_str auth_uri;
};

extern const struct tp_module tp__module_dial;

/* Something to dial, as a struct tp_str. */
extern const struct tp_custom_type tp__target_type;

/* What a dialed session of a block says of who this end is. */
struct tp_credentials tp__cycle_credentials_of(const struct tp_dial_conf *conf);

#endif
