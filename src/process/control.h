/*
 * process/control.h - the control socket beside the pid file: where `teleport -s`
 * gets its verdict.
 *
 * A client sends one line with a command.  The answer is text for people, then a
 * last line "ok" or "failed"; for stop and quit the connection is held until the
 * server has ended.
 *
 * Threads: the master's loop.
 */
#ifndef TP_PROCESS_CONTROL_H
#define TP_PROCESS_CONTROL_H

#include "base/text.h"
#include "event/loop.h"

/* ROW(NAME, word, what it does): the commands, which are also the words of -s. */
/* clang-format off */
#define TP_CONTROL_TABLE(ROW)                                                                \
    ROW(STOP,   "stop",   "Ends the server at once, and waits until it has ended; again: kills its workers.") \
    ROW(QUIT,   "quit",   "Ends the server gracefully, and waits until it has ended.")       \
    ROW(REOPEN, "reopen", "Opens the logs anew, for rotating them.")                         \
    ROW(RELOAD, "reload", "Takes the configuration over in place, and says why if it cannot.") \
    ROW(STATUS, "status", "Shows what runs, as JSON.")
/* clang-format on */

enum tp_control_command {
#define TP_CONTROL_ENUM_ROW(name, word, sentence) TP_CONTROL_##name,
    TP_CONTROL_TABLE(TP_CONTROL_ENUM_ROW)
#undef TP_CONTROL_ENUM_ROW
    TP_CONTROL_COMMAND_COUNT
};

struct tp_control;
struct tp_control_client;

struct tp_control_handler {
    /* Answer with tp__control_answer(), now or later. */
    void (*on_command)(struct tp_control *control, struct tp_control_client *client,
                       enum tp_control_command command);
};

struct tp_control {
    struct tp_loop *loop;
    const struct tp_control_handler *handler;
    int listener_fd;
    struct tp_watcher listener;
    struct tp_list_node clients;
    size_t client_count;
};

void tp__control_init(struct tp_control *control, struct tp_loop *loop,
                      const struct tp_control_handler *handler);

/* Opens the socket at `path`, absolute, with mode 0600. */
enum tp_result tp__control_open(struct tp_control *control, const char *path) TP_MUST_CHECK;

/* Closes the socket; the file at its path stays, and so do the clients. */
void tp__control_close(struct tp_control *control);

/* Lets all clients go without a word.  Those of stop and quit take it for the server's end. */
void tp__control_fini(struct tp_control *control);

/* Answers the client: `text`, then the verdict.  It is gone afterwards unless `is_held`. */
void tp__control_answer(struct tp_control_client *client, struct tp_str text, bool has_succeeded,
                        bool is_held);

/* Lets the client wait for the end of the reload with this number, and answers all that do. */
void tp__control_wait_for_reload(struct tp_control_client *client, uint64_t number);
void tp__control_answer_reload(struct tp_control *control, uint64_t number, struct tp_str text,
                               bool has_succeeded);

/* The command of that word; TP_NOT_FOUND when there is none. */
enum tp_result tp__control_parse(struct tp_str word,
                                 enum tp_control_command *command) TP_MUST_CHECK;
const char *tp__control_word(enum tp_control_command command);

/* Appends the path of the control socket that belongs to the pid file at `pid_path`. */
void tp__control_path(const char *pid_path, struct tp_text *path);

/*
 * The other end, for `teleport -s`: sends `command` to the server behind `path`,
 * appends its answer to `answer` and says whether it succeeded.  Blocks until the
 * server has answered and closed.  TP_NOT_FOUND, TP_GONE: no server there.
 */
enum tp_result tp__control_ask(const char *path, enum tp_control_command command,
                               struct tp_text *answer, bool *has_succeeded) TP_MUST_CHECK;

#endif
