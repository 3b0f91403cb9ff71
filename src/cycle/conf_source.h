/*
 * cycle/conf_source.h - where a process gets its configuration text from: the
 * master from disk, a worker from what the master read.
 *
 * A worker must see exactly what the master saw, though files may have changed
 * meanwhile and it may not be allowed to read them.  So the master's loader writes
 * down every question and its answer, and a worker's loader answers from that.
 */
#ifndef TP_CYCLE_CONF_SOURCE_H
#define TP_CYCLE_CONF_SOURCE_H

#include "conf/conf.h"

/* Reads from disk and appends questions and answers to `recording`. */
struct tp_conf_recorder {
    struct tp_conf_loader loader;
    struct tp_text recording;
};

void tp__conf_recorder_init(struct tp_conf_recorder *recorder);
void tp__conf_recorder_fini(struct tp_conf_recorder *recorder);

/* Answers from a recording, which it borrows. */
struct tp_conf_player {
    struct tp_conf_loader loader;
    struct tp_str rest; /* not played yet */
};

void tp__conf_player_init(struct tp_conf_player *player, struct tp_str recording);

#endif
