/*
 * ask.c - a question to a server's control module and its answer.
 *
 * Read next: client.c, json_read.c.
 */
#include "cli/ask.h"

#include "cli/json_read.h"

#include <string.h>

enum tp_exit_code
tp__ask(struct tp_client *client, struct tp_str uri, struct tp_str body, struct tp_reply **reply)
{
    const struct tp_send_options options = {
        .size = sizeof(options),
        .body_codec = TP_CODEC_JSON,
        .timeout = client->settings->timeout,
    };
    struct tp_session *session = tp__client_session(client);
    enum tp_result result =
        session == NULL ? TP_GONE : tp_session_pull(session, uri, body, &options, reply);

    if (result != TP_OK) {
        tp__client_say(client, "%s", tp_result_sentence(result));
        *reply = NULL;
        return tp__client_exit_of_result(result);
    }
    const struct tp_status *status = tp_reply_status(*reply);
    enum tp_exit_code code = tp__client_exit_of_status(status->code);

    if (code != TP_EXIT_DONE) {
        tp__client_say(client, "%.*s: %d %.*s", TP_STR_ARG(uri), (int) status->code,
                       TP_STR_ARG(status->text));
        tp_reply_free(reply);
        *reply = NULL;
    }
    return code;
}

void
tp__ask_write_member(FILE *file, const char *name, const char *text)
{
    if (text != NULL) {
        fprintf(file, ",\"%s\":", name);
        tp__json_write_text(file, (struct tp_str){ text, strlen(text) });
    }
}

bool
tp__ask_open_text(FILE **file, char **text, size_t *len)
{
    *file = open_memstream(text, len);
    return *file != NULL;
}

enum tp_exit_code
tp__ask_complain(struct tp_client *client)
{
    tp__client_say(client, "%s answers, but not as a control module does",
                   client->settings->address);
    return TP_EXIT_LOCAL;
}
