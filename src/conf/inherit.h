/*
 * conf/inherit.h - the one pass that gives every field of every conf its value.
 */
#ifndef TP_CONF_INHERIT_H
#define TP_CONF_INHERIT_H

#include "conf/block.h"

/*
 * Makes and fills the conf structs of all blocks: with what is written there,
 * else with what counts in the block around it, else with the preset.  A block
 * that stands at most once and nobody wrote is added, all presets, wherever it
 * could stand.
 */
void tp__inherit(struct tp_conf *conf);

#endif
