/*
 * child.c - three pipes and a process.
 *
 * A child is done when its process has ended and its pipes hold no more: one that has left a
 * process of its own behind, with the pipes, is not waited for.
 */
#include "cli/child.h"

#include <string.h>

enum {
    CHILD_READ_SIZE = 16 * 1024,
};

static void write_input(struct tp_child *child);
static enum tp_child_end read_output(struct tp_child *child);
static void read_errors(struct tp_child *child);

enum tp_result
tp__child_start(struct tp_child *child, const char *command,
                const struct tp_system_variable *variables, size_t variable_count,
                struct tp_str input)
{
    child->input = input;
    enum tp_result result =
        tp__system_start_child(command, variables, variable_count, &child->system);

    if (result == TP_OK) {
        write_input(child);
    }
    return result;
}

void
tp__child_fill(const struct tp_child *child, struct tp_waitable *waitables)
{
    waitables[0] = (struct tp_waitable){ .fd = child->system.input, .wants_write = true };
    waitables[1] = (struct tp_waitable){ .fd = child->system.output };
    waitables[2] = (struct tp_waitable){ .fd = child->system.errors };
}

enum tp_child_end
tp__child_turn(struct tp_child *child)
{
    /* Asked first: what a process wrote before it ended is there by then. */
    bool has_ended = tp__system_has_ended(&child->system, &child->exit_code);

    write_input(child);
    read_errors(child);
    enum tp_child_end end = read_output(child);

    if (end != TP_CHILD_RUNS) {
        tp__system_kill_child(&child->system);
        return end;
    }
    return has_ended ? TP_CHILD_ENDED : TP_CHILD_RUNS;
}

struct tp_str
tp__child_complaint(const struct tp_child *child)
{
    const char *end = memchr(child->errors, '\n', child->errors_len);

    return (struct tp_str){ child->errors,
                            end == NULL ? child->errors_len : (size_t) (end - child->errors) };
}

void
tp__child_fini(struct tp_child *child)
{
    tp__system_kill_child(&child->system);
    tp__system_close(&child->system.input);
    tp__system_close(&child->system.output);
    tp__system_close(&child->system.errors);
    tp__bytes_fini(&child->output);
}

/* A child that reads no more may still answer. */
static void
write_input(struct tp_child *child)
{
    while (child->system.input != -1) {
        int64_t count =
            child->input.len == 0
                ? -2
                : tp__system_write(child->system.input, child->input.data, child->input.len);

        if (count == -1) {
            return;
        }
        if (count < 0) {
            tp__system_close(&child->system.input);
            return;
        }
        child->input.data += count;
        child->input.len -= (size_t) count;
    }
}

static enum tp_child_end
read_output(struct tp_child *child)
{
    char bytes[CHILD_READ_SIZE];

    while (child->system.output != -1) {
        int64_t count = tp__system_read(child->system.output, bytes, sizeof(bytes));

        if (count == -1) {
            break;
        }
        if (count < 0) {
            tp__system_close(&child->system.output);
            break;
        }
        enum tp_result result = tp__bytes_append(
            &child->output, (struct tp_str){ bytes, (size_t) count }, child->output_max);

        if (result != TP_OK) {
            return result == TP_TOO_LARGE ? TP_CHILD_TOO_LARGE : TP_CHILD_NO_MEMORY;
        }
    }
    return TP_CHILD_RUNS;
}

/* Its beginning is kept; the rest is read, so that nobody waits for that. */
static void
read_errors(struct tp_child *child)
{
    char bytes[CHILD_READ_SIZE];

    while (child->system.errors != -1) {
        int64_t count = tp__system_read(child->system.errors, bytes, sizeof(bytes));

        if (count == -1) {
            return;
        }
        if (count < 0) {
            tp__system_close(&child->system.errors);
            return;
        }
        size_t room = TP_CHILD_ERRORS_MAX - child->errors_len;
        size_t kept = (size_t) count < room ? (size_t) count : room;

        memcpy(child->errors + child->errors_len, bytes, kept);
        child->errors_len += kept;
    }
}
