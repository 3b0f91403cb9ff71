/*
 * conf/value.h - typed values: from the words of a directive to the fields of a
 * module's conf, and what to say when a word will not do.
 */
#ifndef TP_CONF_VALUE_H
#define TP_CONF_VALUE_H

#include <teleport/directive.h>

#include "base/arena.h"
#include "base/text.h"

/*
 * One value of a directive, whether it is the directive's only one or one of
 * its arguments: the same members for both.
 */
struct tp_conf_slot {
    const char *name; /* the argument's, or the directive's own */
    enum tp_argument_kind kind;
    TP_VALUE_MEMBERS
    const char *brief;
};

/* What reading a value needs besides the text. */
struct tp_conf_room {
    struct tp_arena *arena;                /* keeps resolved paths */
    const char *prefix;                    /* where relative paths start; ends in '/' */
    struct tp_run_variables run_variables; /* what templates may name */
};

/* Why a text is not a value. */
enum tp_conf_verdict {
    TP_CONF_FITS,
    TP_CONF_WRONG_FORM,
    TP_CONF_OUT_OF_RANGE,
};

/* How many values `directive` has. */
size_t tp__slot_count(const struct tp_directive *directive);

/* The `index`-th of them. */
struct tp_conf_slot tp__slot_get(const struct tp_directive *directive, size_t index);

/* True when `directive` means something without any of its values written. */
bool tp__directive_has_presets(const struct tp_directive *directive);

/*
 * Reads `text`, which is terminated and outlives the conf, into the slot's field
 * of `container`.  When it does not fit the field is left in any state, and
 * *wanted is what a type of a module's own said, or NULL.
 */
enum tp_conf_verdict tp__value_store(const struct tp_conf_slot *slot, struct tp_str text,
                                     const struct tp_conf_room *room, void *container,
                                     const char **wanted) TP_MUST_CHECK;

/*
 * The number that `text` is for `slot`: bytes, milliseconds, 0 or 1, or a word's.
 * TP_INVALID when it is none, TP_TOO_LARGE when it does not fit, whatever the range.
 */
enum tp_result tp__value_number(const struct tp_conf_slot *slot, struct tp_str text,
                                int64_t *number) TP_MUST_CHECK;

/* True when both texts mean the same value. */
bool tp__value_equal(const struct tp_conf_slot *slot, struct tp_str left, struct tp_str right);

/* Appends what would be valid, as in: it takes "a duration such as …, or "off"". */
void tp__value_describe(const struct tp_conf_slot *slot, struct tp_text *text);

/* Appends the range, as in: it must be "between 1 and 16m"; nothing where there is none. */
void tp__value_describe_range(const struct tp_conf_slot *slot, struct tp_text *text);

/*
 * Appends a size or a duration as it should be written, of `written` with another word for its
 * unit: "1m" of "1MB", "10s" of "10sec".  False when it is neither.
 */
bool tp__value_respell(const struct tp_conf_slot *slot, struct tp_str written,
                       struct tp_text *text);

/* Appends advice on how to mend `written`; nothing when there is none. */
void tp__value_advise(const struct tp_conf_slot *slot, struct tp_str written, struct tp_text *text);

/* The name of the slot's type: "number", "on | off", a module's own. */
const char *tp__value_type_word(const struct tp_conf_slot *slot);

/* True for types that have an order: a minimum and a maximum mean something. */
bool tp__value_has_range(enum tp_value_type type);

#endif
