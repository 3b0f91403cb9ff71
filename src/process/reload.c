/*
 * reload.c - a reload in place: all workers switch, or none does.
 *
 * idle --begin: load, open, hand out--> preparing --all ready--> switching
 *     switching --all switched--> idle, the new cycle in force
 *     any failure, death or time-out --> idle, the old cycle in force
 *
 * Runs in: master.  Owns: the next cycle until it is in force.
 * Read next: worker_cycle.c, a worker's part.
 */
#include "process/reload.h"

#include "base/str.h"
#include "cycle/conf_source.h"
#include "os/file.h"
#include "os/memfd.h"

#include <stdio.h>

static void reload_report_death(struct tp_reload *reload, const struct tp_child *child,
                                const struct tp_process_end *end);
static enum tp_result reload_load(struct tp_reload *reload, struct tp_conf_recorder *recorder);
static enum tp_result reload_open(struct tp_reload *reload);
static enum tp_result reload_check_reuseport(struct tp_reload *reload);
static enum tp_result reload_hand_out(struct tp_reload *reload, struct tp_str recording);
static enum tp_result reload_hand_to(struct tp_reload *reload, struct tp_child *child,
                                     int recording_fd);
static void reload_ask(struct tp_reload *reload, enum tp_channel_kind kind);
static bool reload_has_all_votes(const struct tp_reload *reload);
static void reload_go_on(struct tp_reload *reload);
static void reload_succeed(struct tp_reload *reload);
static void reload_fail(struct tp_reload *reload);
static void reload_log_report(const struct tp_reload *reload);
static void reload_conclude(struct tp_reload *reload, bool has_succeeded);
static void reload_on_timeout(struct tp_timer *timer);

void
tp__reload_init(struct tp_reload *reload, const struct tp_reload_options *options)
{
    *reload = (struct tp_reload){
        .options = *options,
        .generation = (*options->cycle)->generation,
    };
    tp__timer_init(&reload->timeout, reload_on_timeout);
}

void
tp__reload_fini(struct tp_reload *reload)
{
    tp__cycle_release(&reload->next);
    tp__text_fini(&reload->report);
}

void
tp__reload_begin(struct tp_reload *reload)
{
    struct tp_conf_recorder recorder;

    if (tp__reload_is_active(reload)) {
        reload->is_wanted_again = true;
        return;
    }
    reload->begun_count++;
    tp__text_clear(&reload->report);
    tp__conf_recorder_init(&recorder);
    enum tp_result result = reload_load(reload, &recorder);

    if (result == TP_OK) {
        result = reload_open(reload);
    }
    if (result == TP_OK) {
        result = reload_hand_out(reload, tp__text_get(&recorder.recording));
    }
    tp__conf_recorder_fini(&recorder);
    if (result != TP_OK) {
        reload_fail(reload);
    } else {
        reload_go_on(reload);
    }
}

void
tp__reload_on_vote(struct tp_reload *reload, struct tp_child *child,
                   const struct tp_channel_message *message)
{
    bool is_expected = tp__reload_is_active(reload) && child->vote == TP_VOTE_WAITED_FOR
                       && message->generation == reload->generation;

    /* A late word about a reload that was given up already changes nothing. */
    if (!is_expected) {
        return;
    }
    if (message->kind == TP_CHANNEL_FAILED) {
        tp__text_printf(&reload->report, "worker %u cannot take the configuration over:\n%s",
                        child->slot, message->text);
        reload_fail(reload);
        return;
    }
    child->vote = TP_VOTE_GIVEN;
    reload_go_on(reload);
}

void
tp__reload_on_child_ended(struct tp_reload *reload, struct tp_child *child,
                          const struct tp_process_end *end)
{
    bool was_asked = child->vote != TP_VOTE_NONE;

    child->vote = TP_VOTE_NONE;
    if (!tp__reload_is_active(reload) || !was_asked) {
        return;
    }
    if (child->is_leaving) {
        tp__text_printf(&reload->report, "worker %u was told to stop\n", child->slot);
    } else if (tp__child_has_left(child, end)) {
        /* It did not know yet that it was asked. */
        reload_go_on(reload);
        return;
    } else {
        reload_report_death(reload, child, end);
    }
    reload_fail(reload);
}

static void
reload_report_death(struct tp_reload *reload, const struct tp_child *child,
                    const struct tp_process_end *end)
{
    tp__text_printf(&reload->report, "worker %u died while %s (%s %d)\n", child->slot,
                    reload->phase == TP_RELOAD_PREPARING ? "preparing the configuration"
                                                         : "switching to the configuration",
                    end->signal != 0 ? "signal" : "exit code",
                    end->signal != 0 ? end->signal : end->exit_code);
}

static enum tp_result
reload_load(struct tp_reload *reload, struct tp_conf_recorder *recorder)
{
    const struct tp_reload_options *options = &reload->options;
    struct tp_cycle *current = *options->cycle;

    reload->generation++;
    enum tp_result result = tp__cycle_load(options->program, &recorder->loader, reload->generation,
                                           &reload->report, &reload->next);

    if (result == TP_OK) {
        tp__conf_describe_waiting(current->conf, reload->next->conf, &reload->report);
    }
    return result;
}

static enum tp_result
reload_open(struct tp_reload *reload)
{
    enum tp_result result = reload_check_reuseport(reload);

    if (result == TP_OK) {
        result = tp__cycle_open(reload->next, reload->options.descriptors, &reload->report);
    }
    if (result == TP_OK) {
        result = tp__cycle_attach(reload->next, reload->options.descriptors, &reload->report);
    }
    if (result == TP_OK) {
        tp__cycle_use_slot(reload->next, TP_SLOT_MASTER);
    }
    return result;
}

/* One socket and several cannot be bound to the same address at once. */
static enum tp_result
reload_check_reuseport(struct tp_reload *reload)
{
    const struct tp_cycle *current = *reload->options.cycle;

    for (size_t i = 0; i < reload->next->listen_count; i++) {
        const struct tp_listen *listen = &reload->next->listens[i];
        const struct tp_listen *before = tp__cycle_find_listen(current, listen->source.name);

        if (before != NULL && before->options.reuseport != listen->options.reuseport) {
            tp__text_printf(&reload->report,
                            "%s: error: reuseport of %s cannot change while it is open: remove "
                            "the listen, reload, and add it again, or restart\n",
                            listen->source.origin, listen->source.name);
            return TP_IN_USE;
        }
    }
    return TP_OK;
}

static enum tp_result
reload_hand_out(struct tp_reload *reload, struct tp_str recording)
{
    int recording_fd;
    enum tp_result result = tp__memfd_create_sealed("teleport-conf", recording, &recording_fd);

    if (result != TP_OK) {
        tp__text_printf(&reload->report, "cannot keep the configuration: %s\n",
                        tp_result_sentence(result));
        return result;
    }
    reload->phase = TP_RELOAD_PREPARING;
    TP_CHILDREN_EACH(child, reload->options.children)
    {
        if (result == TP_OK && !child->is_leaving) {
            result = reload_hand_to(reload, child, recording_fd);
        }
    }
    tp__descriptor_close(&recording_fd);
    tp__loop_start_timer(reload->options.loop, &reload->timeout,
                         (*reload->options.cycle)->core->reload_timeout.ms);
    return result;
}

/* Gives one worker the descriptors that are new, then the text. */
static enum tp_result
reload_hand_to(struct tp_reload *reload, struct tp_child *child, int recording_fd)
{
    const struct tp_descriptors *set = reload->options.descriptors;
    enum tp_result result = TP_OK;

    for (size_t i = 0; i < set->count && result == TP_OK; i++) {
        const struct tp_descriptor *descriptor = &set->entries[i];
        struct tp_channel_message message =
            tp__channel_message(TP_CHANNEL_DESCRIPTOR, reload->generation);

        if (descriptor->is_new) {
            snprintf(message.text, sizeof(message.text), "%s %s",
                     tp__descriptor_kind_word(descriptor->kind), descriptor->name);
            result = tp__child_send(child, &message, descriptor->fd);
        }
    }
    if (result == TP_OK) {
        struct tp_channel_message message =
            tp__channel_message(TP_CHANNEL_PREPARE, reload->generation);

        result = tp__child_send(child, &message, recording_fd);
    }
    if (result == TP_GONE) {
        /* It has just ended: whoever replaces it begins with what is in force then. */
        return TP_OK;
    }
    child->vote = TP_VOTE_WAITED_FOR;
    if (result != TP_OK) {
        tp__text_printf(&reload->report, "worker %u cannot be told: %s\n", child->slot,
                        tp_result_sentence(result));
    }
    return result;
}

/*
 * Asks everybody who takes part for the next vote.  Who is gone is reaped in a moment; who
 * cannot be told for another reason has not agreed, and the time-out ends the reload.
 */
static void
reload_ask(struct tp_reload *reload, enum tp_channel_kind kind)
{
    struct tp_channel_message message = tp__channel_message(kind, reload->generation);

    TP_CHILDREN_EACH(child, reload->options.children)
    {
        if (child->vote == TP_VOTE_GIVEN && tp__child_send(child, &message, -1) != TP_GONE) {
            child->vote = TP_VOTE_WAITED_FOR;
        }
    }
}

static bool
reload_has_all_votes(const struct tp_reload *reload)
{
    TP_CHILDREN_EACH(child, reload->options.children)
    {
        if (child->vote == TP_VOTE_WAITED_FOR) {
            return false;
        }
    }
    return true;
}

static void
reload_go_on(struct tp_reload *reload)
{
    if (!reload_has_all_votes(reload)) {
        return;
    }
    if (reload->phase == TP_RELOAD_PREPARING) {
        reload->phase = TP_RELOAD_SWITCHING;
        reload_ask(reload, TP_CHANNEL_SWITCH);
        if (!reload_has_all_votes(reload)) {
            return;
        }
    }
    reload_succeed(reload);
}

static void
reload_succeed(struct tp_reload *reload)
{
    struct tp_cycle **cycle = reload->options.cycle;
    struct tp_channel_message message = tp__channel_message(TP_CHANNEL_FINISH, reload->generation);

    tp__cycle_release(cycle);
    *cycle = reload->next;
    reload->next = NULL;
    TP_CHILDREN_EACH(child, reload->options.children)
    {
        if (child->vote == TP_VOTE_GIVEN) {
            child->is_surplus = child->slot >= (*cycle)->core->worker_count;
        }
    }
    tp__descriptors_keep(reload->options.descriptors, tp__cycle_needs, *cycle);
    tp__cycle_apply_listen_options(*cycle, reload->options.descriptors);
    tp__children_send_all(reload->options.children, &message, -1);
    tp__cycle_tell_tables(*cycle);
    tp__cycle_tell_meters(*cycle);
    tp_log_notice(&(*cycle)->log, "reloaded", "generation=%llu listens=%zu workers=%u",
                  (unsigned long long) reload->generation, (*cycle)->listen_count,
                  (*cycle)->core->worker_count);
    reload->succeeded_count++;
    reload_conclude(reload, true);
}

static void
reload_fail(struct tp_reload *reload)
{
    struct tp_channel_message message = tp__channel_message(TP_CHANNEL_REVERT, reload->generation);

    if (tp__reload_is_active(reload)) {
        tp__children_send_all(reload->options.children, &message, -1);
    }
    tp__cycle_release(&reload->next);
    tp__descriptors_drop_new(reload->options.descriptors);
    reload_log_report(reload);
    reload->failed_count++;
    reload_conclude(reload, false);
}

/*
 * One line of the log for each mistake; the source lines and carets below it are for
 * terminals.  Mistakes quote what they are about, so the reason itself has no quotes.
 */
static void
reload_log_report(const struct tp_reload *reload)
{
    struct tp_str rest = tp__text_get(&reload->report);
    struct tp_log log = (*reload->options.cycle)->log;

    log.doing = "reloading";
    while (rest.len > 0) {
        struct tp_str line = tp__str_cut(rest, '\n', &rest);

        if (line.len > 0 && line.data[0] != ' ') {
            tp_log_error(&log, "reload-failed", "generation=%llu why=%.*s",
                         (unsigned long long) reload->generation, TP_STR_ARG(line));
        }
    }
}

static void
reload_conclude(struct tp_reload *reload, bool has_succeeded)
{
    tp__loop_stop_timer(reload->options.loop, &reload->timeout);
    reload->phase = TP_RELOAD_IDLE;
    TP_CHILDREN_EACH(child, reload->options.children)
    {
        child->vote = TP_VOTE_NONE;
    }
    reload->options.on_concluded(reload, has_succeeded, tp__text_get(&reload->report));
    if (reload->is_wanted_again) {
        reload->is_wanted_again = false;
        tp__reload_begin(reload);
    }
}

static void
reload_on_timeout(struct tp_timer *timer)
{
    struct tp_reload *reload = TP_CONTAINER_OF(timer, struct tp_reload, timeout);

    TP_CHILDREN_EACH(child, reload->options.children)
    {
        if (child->vote == TP_VOTE_WAITED_FOR) {
            tp__text_printf(&reload->report, "worker %u did not answer in time\n", child->slot);
        }
    }
    reload_fail(reload);
}
