/*
 * conf/block.h - the tree of blocks, what was written in each, and where.
 *
 * First the parser builds the tree of what is written (uses and settings); then
 * inherit.c fills the conf structs of all blocks in one pass.
 */
#ifndef TP_CONF_BLOCK_H
#define TP_CONF_BLOCK_H

#include "conf/catalogue.h"
#include "conf/conf.h"
#include "conf/message.h"
#include "conf/place.h"
#include "conf/value.h"

/* A directive written once: `values` has one text per slot, with NULL data where none is given. */
struct tp_conf_use {
    struct tp_conf_use *next;
    struct tp_str *values;
    struct tp_conf_place place; /* of its name */
    const char *origin;         /* "teleport.conf:12:5" */
};

/* All uses of one directive in one block; inner blocks that write none share it. */
struct tp_conf_setting {
    const struct tp_block *block; /* where it is written */
    struct tp_conf_use *first;
    struct tp_conf_use *last;
    size_t count;
};

struct tp_block {
    struct tp_conf *conf;
    struct tp_block *parent;
    struct tp_block *next; /* sibling */
    struct tp_block *first;
    struct tp_block *last;
    const struct tp_conf_entry *opener; /* NULL for main */
    struct tp_conf_use *opening;        /* NULL for main and for a block nobody wrote */
    enum tp_context context;
    unsigned depth;    /* main is 0 */
    bool has_mistakes; /* something in it or in its inner blocks was not understood */
    struct tp_conf_setting **settings; /* by the directive's number; NULL: preset */
    void **confs;                      /* by the module's index; NULL: no conf */
};

/* Members of confs that are set when what they name is there. */
struct tp_conf_wish {
    struct tp_conf_wish *next;
    void *place; /* struct tp_table **, or struct tp_meter * */
};

struct tp_conf {
    struct tp_arena arena;
    struct tp_conf_catalogue catalogue;
    struct tp_conf_room room;
    struct tp_conf_source *main_source;
    struct tp_conf_messages *messages; /* only while loading, and so is the loader */
    struct tp_conf_loader *loader;
    struct tp_block *root;
    struct tp_conf_table *tables; /* that modules have declared */
    struct tp_conf_meter *meters;
    size_t meter_count;
};

/* An empty block of `context`, not yet in `parent`'s list; `parent` is NULL for main. */
struct tp_block *tp__block_create(struct tp_conf *conf, struct tp_block *parent,
                                  enum tp_context context);

/* Puts `block` behind the other blocks of its parent. */
void tp__block_attach(struct tp_block *block);

/* Adds `use` to what `block` says about the directive of `entry`. */
void tp__block_add_use(struct tp_block *block, const struct tp_conf_entry *entry,
                       struct tp_conf_use *use);

/* An empty use of a directive with `slot_count` slots at `place`. */
struct tp_conf_use *tp__use_create(struct tp_conf *conf, const struct tp_conf_place *place,
                                   size_t slot_count);

/* What counts for the `index`-th slot: its text in `use`, else its preset, else NULL data. */
struct tp_str tp__slot_text(const struct tp_conf_slot *slot, size_t index,
                            const struct tp_conf_use *use);

/* What is written in `block` itself about the directive of `entry`; NULL when nothing. */
const struct tp_conf_setting *tp__block_written(const struct tp_block *block,
                                                const struct tp_conf_entry *entry);

/* The `item`-th use that counts for `directive` in `block`; NULL when nobody wrote one. */
const struct tp_conf_use *tp__block_find_use(const struct tp_block *block, const char *directive,
                                             size_t item);

#endif
