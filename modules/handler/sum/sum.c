/*
 * sum.c - adds numbers: the "math/add" of the original's examples.
 *
 * Whole numbers are added exactly as long as they fit 64 bits; with the first that is
 * not whole, or an overflow, the sum goes on as a double.
 *
 * Runs in: worker.
 */
#include <teleport/json.h>
#include <teleport/module.h>

struct sum {
    int64_t integer;
    double real;
    bool is_real;
};

static void sum_handle(struct tp_exchange *exchange, const void *module_conf);
static bool sum_add(struct sum *sum, const cJSON *number);
static void sum_refuse(struct tp_exchange *exchange);
static void sum_reply(struct tp_exchange *exchange, const struct sum *sum);

static const struct tp_directive sum_directives[] = {
    {
        .name = "sum", .where = TP_IN_ROUTE, .takes_nothing = true, .since = "0.1",
        .brief = "Answers with the sum of the array of numbers that came.",
    },
};

const struct tp_module tp_module_sum = {
    .name = "sum",
    .brief = "Adds an array of numbers.",
    .conf_size = 0,
    TP_DIRECTIVES(sum_directives),
    .run_after = "",
    .handler = "sum",
    .handle = sum_handle,
};

static void
sum_handle(struct tp_exchange *exchange, const void *module_conf)
{
    struct sum sum = { 0 };
    const cJSON *number;
    cJSON *numbers;

    (void) module_conf;
    if (tp_exchange_read_value(exchange, &numbers) != TP_OK) {
        return; /* It has been refused with the reason. */
    }
    bool is_valid = cJSON_IsArray(numbers);

    cJSON_ArrayForEach(number, numbers)
    {
        is_valid = is_valid && sum_add(&sum, number);
    }
    cJSON_Delete(numbers);
    if (is_valid) {
        sum_reply(exchange, &sum);
    } else {
        sum_refuse(exchange);
    }
}

static bool
sum_add(struct sum *sum, const cJSON *number)
{
    int64_t integer;

    if (!cJSON_IsNumber(number)) {
        return false;
    }
    if (!sum->is_real
        && (!tp_json_get_integer(number, &integer)
            || __builtin_add_overflow(sum->integer, integer, &integer))) {
        sum->is_real = true;
        sum->real = (double) sum->integer;
    }
    if (sum->is_real) {
        sum->real += number->valuedouble;
    } else {
        sum->integer = integer;
    }
    return true;
}

static void
sum_refuse(struct tp_exchange *exchange)
{
    struct tp_status status = tp_status_of(TP_STATUS_BAD_REQUEST);

    status.text = TP_STR("an array of numbers is wanted");
    tp_exchange_refuse(exchange, &status);
}

static void
sum_reply(struct tp_exchange *exchange, const struct sum *sum)
{
    cJSON *value =
        sum->is_real ? cJSON_CreateNumber(sum->real) : tp_json_create_integer(sum->integer);

    if (value == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    tp_exchange_reply_value(exchange, value);
    cJSON_Delete(value);
}
