/*
 * value.c - typed values.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: inherit.c, which decides whose text a field gets.
 */
#include "conf/value.h"

#include "base/str.h"
#include "conf/template.h"

/* A letter behind a number and what it multiplies by. */
struct value_unit {
    const char *letters;
    int64_t factor;
};

static void value_store_number(const struct tp_conf_slot *slot, int64_t number, void *field);
static struct tp_str value_resolve_path(const struct tp_conf_slot *slot, struct tp_str text,
                                        const struct tp_conf_room *room);
static bool value_is_in_range(const struct tp_conf_slot *slot, int64_t number);
static const struct tp_word *value_find_word(const struct tp_conf_slot *slot, struct tp_str text);
static enum tp_result value_parse_flag(struct tp_str text, int64_t *number);
static enum tp_result value_parse_size(struct tp_str text, int64_t *number);
static enum tp_result value_parse_time(struct tp_str text, int64_t *number);
static size_t value_find_time_unit(struct tp_str *text, size_t first);
static enum tp_result value_scale(struct tp_str digits, int64_t factor, int64_t *number);
static struct tp_str value_digits(struct tp_str text);
static const struct tp_word *value_nearest_word(const struct tp_conf_slot *slot,
                                                struct tp_str text);
static bool value_is_without_case(struct tp_str text, const char *word);
static bool value_is_one_of(struct tp_str text, const char *const *words);

static const struct value_unit value_size_units[] = {
    { "", 1 },
    { "kK", 1024 },
    { "mM", 1024 * 1024 },
    { "gG", 1024 * 1024 * 1024 },
};

/* The longest first: "1h30m" is fine, "30m1h" is not. */
static const struct value_unit value_time_units[] = {
    { "d", 24 * 60 * 60 * 1000 },
    { "h", 60 * 60 * 1000 },
    { "m", 60 * 1000 },
    { "s", 1000 },
    { "ms", 1 },
};

/* What people write for a unit, in small letters. */
static const struct {
    enum tp_value_type type;
    const char *unit;
    const char *words[6];
} value_unit_words[] = {
    { TP_VALUE_SIZE, "", { "b", "byte", "bytes" } },
    { TP_VALUE_SIZE, "k", { "k", "kb", "kib" } },
    { TP_VALUE_SIZE, "m", { "m", "mb", "mib" } },
    { TP_VALUE_SIZE, "g", { "g", "gb", "gib" } },
    { TP_VALUE_TIME, "ms", { "ms", "msec", "millisecond", "milliseconds" } },
    { TP_VALUE_TIME, "s", { "s", "sec", "secs", "second", "seconds" } },
    { TP_VALUE_TIME, "m", { "m", "min", "mins", "minute", "minutes" } },
    { TP_VALUE_TIME, "h", { "h", "hr", "hour", "hours" } },
    { TP_VALUE_TIME, "d", { "d", "day", "days" } },
};

size_t
tp__slot_count(const struct tp_directive *directive)
{
    if (directive->takes_nothing) {
        return 0;
    }
    return directive->arguments != NULL ? directive->argument_count : 1;
}

struct tp_conf_slot
tp__slot_get(const struct tp_directive *directive, size_t index)
{
    if (directive->arguments == NULL) {
        return (struct tp_conf_slot){
            .name = directive->name,
            .kind = TP_ARGUMENT_REQUIRED,
            .type = directive->type,
            .offset = directive->offset,
            .words = directive->words,
            .custom = directive->custom,
            .preset = directive->preset,
            .min = directive->min,
            .max = directive->max,
            .brief = directive->brief,
        };
    }
    const struct tp_argument *argument = &directive->arguments[index];

    return (struct tp_conf_slot){
        .name = argument->name,
        .kind = argument->kind,
        .type = argument->type,
        .offset = argument->offset,
        .words = argument->words,
        .custom = argument->custom,
        .preset = argument->preset,
        .min = argument->min,
        .max = argument->max,
        .brief = argument->brief,
    };
}

bool
tp__directive_has_presets(const struct tp_directive *directive)
{
    for (size_t i = 0; i < tp__slot_count(directive); i++) {
        struct tp_conf_slot slot = tp__slot_get(directive, i);

        if (slot.kind == TP_ARGUMENT_REQUIRED && slot.preset == NULL) {
            return false;
        }
    }
    return true;
}

enum tp_conf_verdict
tp__value_store(const struct tp_conf_slot *slot, struct tp_str text,
                const struct tp_conf_room *room, void *container, const char **wanted)
{
    void *field = (char *) container + slot->offset;
    int64_t number = 0;

    *wanted = NULL;
    switch (slot->type) {
    case TP_VALUE_TEXT:
        *(struct tp_str *) field = text;
        return TP_CONF_FITS;
    case TP_VALUE_PATH:
        *(struct tp_str *) field = value_resolve_path(slot, text, room);
        return text.len > 0 ? TP_CONF_FITS : TP_CONF_WRONG_FORM;
    case TP_VALUE_TEMPLATE:
        return tp__template_compile(text, room->run_variables, room->arena, field) == TP_OK
                   ? TP_CONF_FITS
                   : TP_CONF_WRONG_FORM;
    case TP_VALUE_CUSTOM:
        *wanted = slot->custom->parse(text, field);
        return *wanted == NULL ? TP_CONF_FITS : TP_CONF_WRONG_FORM;
    default:
        break;
    }
    enum tp_result result = tp__value_number(slot, text, &number);

    if (result == TP_INVALID) {
        return TP_CONF_WRONG_FORM;
    }
    if (result == TP_TOO_LARGE
        || (value_find_word(slot, text) == NULL && !value_is_in_range(slot, number))) {
        return TP_CONF_OUT_OF_RANGE;
    }
    value_store_number(slot, number, field);
    return TP_CONF_FITS;
}

enum tp_result
tp__value_number(const struct tp_conf_slot *slot, struct tp_str text, int64_t *number)
{
    const struct tp_word *word = value_find_word(slot, text);

    if (word != NULL) {
        *number = word->value;
        return TP_OK;
    }
    switch (slot->type) {
    case TP_VALUE_FLAG:
        return value_parse_flag(text, number);
    case TP_VALUE_NUMBER:
        return tp__str_to_int64(text, number);
    case TP_VALUE_SIZE:
        return value_parse_size(text, number);
    case TP_VALUE_TIME:
        return value_parse_time(text, number);
    default:
        return TP_INVALID;
    }
}

bool
tp__value_equal(const struct tp_conf_slot *slot, struct tp_str left, struct tp_str right)
{
    int64_t left_number;
    int64_t right_number;

    if (tp__str_equal(left, right)) {
        return true;
    }
    return tp__value_number(slot, left, &left_number) == TP_OK
           && tp__value_number(slot, right, &right_number) == TP_OK && left_number == right_number;
}

void
tp__value_describe(const struct tp_conf_slot *slot, struct tp_text *text)
{
    static const char *const wanted[] = {
#define VALUE_WANTED_ROW(name, word, form) form,
        TP_VALUE_TABLE(VALUE_WANTED_ROW)
#undef VALUE_WANTED_ROW
    };
    bool is_list = slot->type == TP_VALUE_WORD;

    if (slot->type == TP_VALUE_CUSTOM) {
        tp__text_append(text, tp__str(slot->custom->word));
    } else if (!is_list) {
        tp__text_append(text, tp__str(wanted[slot->type]));
    }
    for (const struct tp_word *word = slot->words; word != NULL && word->word != NULL; word++) {
        bool is_first = word == slot->words;
        bool is_last = word[1].word == NULL;
        const char *comma = is_first && is_list ? "" : ", ";

        if (is_last && !(is_first && is_list)) {
            comma = is_first ? ", or " : " or ";
        }
        tp__text_printf(text, "%s\"%s\"", comma, word->word);
    }
}

void
tp__value_describe_range(const struct tp_conf_slot *slot, struct tp_text *text)
{
    if (slot->min != NULL && slot->max != NULL) {
        tp__text_printf(text, "between %s and %s", slot->min, slot->max);
    } else if (slot->min != NULL) {
        tp__text_printf(text, "at least %s", slot->min);
    } else if (slot->max != NULL) {
        tp__text_printf(text, "at most %s", slot->max);
    }
}

bool
tp__value_respell(const struct tp_conf_slot *slot, struct tp_str written, struct tp_text *text)
{
    struct tp_str digits = value_digits(written);
    struct tp_str unit = tp__str_skip(written, digits.len);

    for (size_t i = 0; digits.len > 0 && i < TP_COUNT_OF(value_unit_words); i++) {
        const char *const *words = value_unit_words[i].words;

        for (size_t word = 0; words[word] != NULL; word++) {
            if (value_unit_words[i].type == slot->type
                && value_is_without_case(unit, words[word])) {
                tp__text_printf(text, "%.*s%s", TP_STR_ARG(digits), value_unit_words[i].unit);
                return true;
            }
        }
    }
    return false;
}

void
tp__value_advise(const struct tp_conf_slot *slot, struct tp_str written, struct tp_text *text)
{
    static const char *const yes[] = { "yes", "true", "1", "enabled", "ON", "On", NULL };
    static const char *const no[] = { "no", "false", "0", "disabled", "OFF", "Off", NULL };
    const struct tp_word *nearest = value_nearest_word(slot, written);

    if (slot->type == TP_VALUE_TIME && written.len > 0
        && value_digits(written).len == written.len) {
        tp__text_printf(text, "add a unit: %.*ss is a number of seconds, %.*sms of milliseconds",
                        TP_STR_ARG(written), TP_STR_ARG(written));
    } else if (slot->type == TP_VALUE_FLAG && value_is_one_of(written, yes)) {
        tp__text_append(text, TP_STR("did you mean \"on\"?"));
    } else if (slot->type == TP_VALUE_FLAG && value_is_one_of(written, no)) {
        tp__text_append(text, TP_STR("did you mean \"off\"?"));
    } else if (nearest != NULL) {
        tp__text_printf(text, "did you mean \"%s\"?", nearest->word);
    } else {
        struct tp_text right = { 0 };

        if (tp__value_respell(slot, written, &right)) {
            tp__text_printf(text, "did you mean \"%s\"?", tp__text_get(&right).data);
        }
        tp__text_fini(&right);
    }
}

const char *
tp__value_type_word(const struct tp_conf_slot *slot)
{
    static const char *const words[] = {
#define VALUE_WORD_ROW(name, word, wanted) word,
        TP_VALUE_TABLE(VALUE_WORD_ROW)
#undef VALUE_WORD_ROW
    };

    return slot->type == TP_VALUE_CUSTOM ? slot->custom->word : words[slot->type];
}

bool
tp__value_has_range(enum tp_value_type type)
{
    return type == TP_VALUE_NUMBER || type == TP_VALUE_SIZE || type == TP_VALUE_TIME;
}

static void
value_store_number(const struct tp_conf_slot *slot, int64_t number, void *field)
{
    switch (slot->type) {
    case TP_VALUE_FLAG:
        *(bool *) field = number != 0;
        break;
    case TP_VALUE_NUMBER:
        *(int64_t *) field = number;
        break;
    case TP_VALUE_SIZE:
        ((struct tp_size *) field)->bytes = (uint64_t) number;
        break;
    case TP_VALUE_TIME:
        ((struct tp_msec *) field)->ms = number;
        break;
    default:
        *(int *) field = (int) number;
        break;
    }
}

/* The absolute path `text` means; one of the slot's words stays as it is. */
static struct tp_str
value_resolve_path(const struct tp_conf_slot *slot, struct tp_str text,
                   const struct tp_conf_room *room)
{
    if (tp__str_starts_with(text, TP_STR("/")) || value_find_word(slot, text) != NULL) {
        return text;
    }
    return tp__arena_format(room->arena, "%s%s", room->prefix, text.data);
}

/* The self-test has seen to it that min and max are values of the slot's type. */
static bool
value_is_in_range(const struct tp_conf_slot *slot, int64_t number)
{
    int64_t bound;

    if (slot->min != NULL && tp__value_number(slot, tp__str(slot->min), &bound) == TP_OK
        && number < bound) {
        return false;
    }
    return slot->max == NULL || tp__value_number(slot, tp__str(slot->max), &bound) != TP_OK
           || number <= bound;
}

static const struct tp_word *
value_find_word(const struct tp_conf_slot *slot, struct tp_str text)
{
    for (const struct tp_word *word = slot->words; word != NULL && word->word != NULL; word++) {
        if (tp__str_equal(tp__str(word->word), text)) {
            return word;
        }
    }
    return NULL;
}

static enum tp_result
value_parse_flag(struct tp_str text, int64_t *number)
{
    *number = tp__str_equal(text, TP_STR("on")) ? 1 : 0;
    return *number == 1 || tp__str_equal(text, TP_STR("off")) ? TP_OK : TP_INVALID;
}

static enum tp_result
value_parse_size(struct tp_str text, int64_t *number)
{
    struct tp_str digits = value_digits(text);
    struct tp_str unit = tp__str_skip(text, digits.len);

    if (digits.len == 0 || unit.len > 1) {
        return TP_INVALID;
    }
    for (size_t i = 0; i < TP_COUNT_OF(value_size_units); i++) {
        const char *letters = value_size_units[i].letters;

        if (unit.len == 0 ? letters[0] == '\0' : strchr(letters, unit.data[0]) != NULL) {
            return value_scale(digits, value_size_units[i].factor, number);
        }
    }
    return TP_INVALID;
}

/* "1h30m": each unit at most once, the longer ones first. */
static enum tp_result
value_parse_time(struct tp_str text, int64_t *number)
{
    enum tp_result result = TP_OK;
    size_t unit = 0;

    *number = 0;
    do {
        struct tp_str digits = value_digits(text);
        int64_t part = 0;

        text = tp__str_skip(text, digits.len);
        unit = value_find_time_unit(&text, unit);
        if (digits.len == 0 || unit == TP_COUNT_OF(value_time_units)) {
            return TP_INVALID;
        }
        if (value_scale(digits, value_time_units[unit].factor, &part) != TP_OK
            || part > INT64_MAX - *number) {
            result = TP_TOO_LARGE; /* but a wrong unit behind it is the greater mistake */
            part = 0;
        }
        *number += part;
        unit++;
    } while (text.len > 0);
    return result;
}

/* Takes the unit off the front of `*text`: its index, at least `first`, or their count. */
static size_t
value_find_time_unit(struct tp_str *text, size_t first)
{
    struct tp_str unit = { text->data, 0 };

    while (unit.len < text->len && (unit.data[unit.len] < '0' || unit.data[unit.len] > '9')) {
        unit.len++;
    }
    *text = tp__str_skip(*text, unit.len);
    while (first < TP_COUNT_OF(value_time_units)
           && !tp__str_equal(unit, tp__str(value_time_units[first].letters))) {
        first++;
    }
    return first;
}

static enum tp_result
value_scale(struct tp_str digits, int64_t factor, int64_t *number)
{
    enum tp_result result = tp__str_to_int64(digits, number);

    if (result != TP_OK) {
        return result;
    }
    if (*number > INT64_MAX / factor) {
        return TP_TOO_LARGE;
    }
    *number *= factor;
    return TP_OK;
}

/* The digits `text` begins with. */
static struct tp_str
value_digits(struct tp_str text)
{
    size_t len = 0;

    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9') {
        len++;
    }
    return (struct tp_str){ text.data, len };
}

static const struct tp_word *
value_nearest_word(const struct tp_conf_slot *slot, struct tp_str text)
{
    const struct tp_word *nearest = NULL;
    size_t least = SIZE_MAX;

    for (const struct tp_word *word = slot->words; word != NULL && word->word != NULL; word++) {
        size_t distance = tp__str_distance(text, tp__str(word->word));

        if (distance < least && tp__str_is_near(text, tp__str(word->word))) {
            least = distance;
            nearest = word;
        }
    }
    return nearest;
}

static bool
value_is_one_of(struct tp_str text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (tp__str_equal(text, tp__str(*words))) {
            return true;
        }
    }
    return false;
}

static bool
value_is_without_case(struct tp_str text, const char *word)
{
    for (size_t i = 0; i < text.len; i++) {
        char letter = text.data[i];

        letter = letter >= 'A' && letter <= 'Z' ? (char) (letter + ('a' - 'A')) : letter;
        if (letter != word[i] || word[i] == '\0') {
            return false;
        }
    }
    return word[text.len] == '\0';
}
