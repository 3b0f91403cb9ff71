/*
 * option_table.c - every option of every command, said once.
 *
 * Read next: options.c (how it is read), manual.c (how it is shown).
 */
#include "cli/options.h"

#include <teleport/secret.h>

#include <string.h>

#define AT(field) offsetof(struct tp_settings, field)

/* clang-format off */
const struct tp_option tp__options[] = {
    /* Where to, and for how long. */
    { .name = "timeout", .letter = 't', .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(timeout), .preset = "10s", .min = 1, .max = 86400000,
      .groups = TP_OPTIONS_CONNECT,
      .brief = "How long connecting may take, and each answer." },
    { .name = "redial", .value = "TIMES", .kind = TP_OPTION_INTEGER,
      .offset = AT(redial), .preset = "0", .min = -1, .max = 1000000,
      .groups = TP_OPTIONS_CONNECT,
      .brief = "How often in a row a connection is tried again; -1: for ever." },
    { .name = "credentials", .letter = 'c', .value = "FILE", .kind = TP_OPTION_TEXT,
      .offset = AT(credentials_file), .groups = TP_OPTIONS_CONNECT,
      .brief = "Says who this end is, id:secret or a token, read from here for each connection." },
    { .name = "auth-uri", .value = "URI", .kind = TP_OPTION_TEXT,
      .offset = AT(auth_uri), .groups = TP_OPTIONS_CONNECT,
      .brief = "Where credentials are pulled to over Teleport 2.5, instead of /auth; other protocols "
               "have a place of their own for them." },
    { .name = "heartbeat", .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(heartbeat), .preset = "0s", .min = 0, .max = 86400000,
      .groups = TP_OPTIONS_CONNECT,
      .brief = "Asks the other end for a sign of life after such a silence, 100ms or longer, and "
               "takes it for dead after three; 0s: only answers." },
    { .name = "ca", .value = "FILE", .kind = TP_OPTION_TEXT,
      .offset = AT(authority), .groups = TP_OPTIONS_CONNECT,
      .brief = "PEM: who vouches for the other end of tls://, instead of whom the system trusts." },
    { .name = "cert", .value = "FILE", .kind = TP_OPTION_TEXT,
      .offset = AT(certificate), .groups = TP_OPTIONS_CONNECT,
      .brief = "PEM: the certificate that this end shows over tls:// to who asks for one." },
    { .name = "key", .value = "FILE", .kind = TP_OPTION_TEXT,
      .offset = AT(key), .groups = TP_OPTIONS_CONNECT,
      .brief = "PEM: its private key, where that is not in the same file." },
    { .name = "server-name", .value = "NAME", .kind = TP_OPTION_TEXT,
      .offset = AT(server_name), .groups = TP_OPTIONS_CONNECT,
      .brief = "Whom tls:// has to reach, where that is not the host of the address." },
    { .name = "insecure", .kind = TP_OPTION_FLAG, .offset = AT(is_insecure),
      .groups = TP_OPTIONS_CONNECT,
      .brief = "Takes whatever certificate the other end of tls:// shows: for trying out." },
    { .name = "id", .value = "ID", .kind = TP_OPTION_TEXT,
      .offset = AT(id), .groups = TP_OPTIONS_ID,
      .brief = "The id of the session at this end; --exec and --json pass it on." },
    { .name = "listen", .letter = 'l', .value = "ADDRESS", .kind = TP_OPTION_TEXT,
      .offset = AT(listen), .groups = TP_OPTIONS_LISTEN,
      .brief = "Accepts sessions here, at every IPv4 address where it is just a port, and dials only "
               "where an ADDRESS is given too." },

    /* What is sent. */
    { .name = "header-codec", .value = "CODEC", .kind = TP_OPTION_CODEC,
      .offset = AT(header_codec), .preset = "protobuf", .groups = TP_OPTIONS_SEND,
      .brief = "How headers are encoded: protobuf or json." },
    { .name = "body-codec", .letter = 'b', .value = "CODEC", .kind = TP_OPTION_CODEC,
      .offset = AT(body_codec), .preset = "json", .groups = TP_OPTIONS_SEND,
      .brief = "What bodies are said to be: json, protobuf, plain, or the letter of another." },
    { .name = "gzip", .letter = 'z', .value = "LEVEL", .kind = TP_OPTION_INTEGER,
      .offset = AT(gzip), .preset = "0", .min = -2, .max = 9, .groups = TP_OPTIONS_SEND,
      .brief = "Deflates bodies, from 1 (fast) to 9 (small); -2: Huffman only, 0: not at all." },
    { .name = "metadata", .letter = 'm', .value = "TEXT", .kind = TP_OPTION_TEXT,
      .offset = AT(metadata), .groups = TP_OPTIONS_SEND,
      .brief = "Sends these names and values beside the body, as in a query: 'a=1&b=two%20words'; "
               "over HTTP they are headers." },
    { .name = "filters", .value = "LETTERS", .kind = TP_OPTION_TEXT,
      .offset = AT(filters), .groups = TP_OPTIONS_SEND,
      .brief = "Filters packets of the protocols raw, json and protobuf: g is gzip, m an MD5 sum; "
               "the first is the outermost." },
    { .name = "accept", .value = "CODEC", .kind = TP_OPTION_CODEC,
      .offset = AT(accept_codec), .groups = TP_OPTIONS_SEND,
      .brief = "The codec that is wanted for answers, where the protocol can say so." },
    { .name = "packet-limit", .value = "SIZE", .kind = TP_OPTION_SIZE,
      .offset = AT(packet_limit), .preset = "64m", .min = 1024, .max = 256 << 20,
      .groups = TP_OPTIONS_CONNECT,
      .brief = "The largest packet that is sent or taken." },

    /* What is shown. */
    { .name = "json", .letter = 'j', .kind = TP_OPTION_FLAG, .offset = AT(is_json),
      .groups = TP_OPTIONS_JSON,
      .brief = "Prints for programs: one JSON object a line, with status, codec and time." },
    { .name = "pretty", .letter = 'p', .kind = TP_OPTION_FLAG, .offset = AT(is_pretty),
      .groups = TP_OPTIONS_SHOW,
      .brief = "Lays JSON out over lines, as on a terminal." },
    { .name = "raw", .letter = 'r', .kind = TP_OPTION_FLAG, .offset = AT(is_raw),
      .groups = TP_OPTIONS_SHOW,
      .brief = "Prints bodies byte for byte, on a terminal too." },

    /* Answering. */
    { .name = "exec", .letter = 'e', .value = "COMMAND", .kind = TP_OPTION_TEXT,
      .offset = AT(exec), .groups = TP_OPTIONS_SERVE,
      .brief = "Runs this for each PULL: the body comes on its input, its output is the answer." },
    { .name = "file", .letter = 'f', .value = "FILE", .kind = TP_OPTION_TEXT,
      .offset = AT(file), .groups = TP_OPTIONS_SERVE,
      .brief = "Answers with what is in this file at that moment." },
    { .name = "echo", .kind = TP_OPTION_FLAG, .offset = AT(does_echo),
      .groups = TP_OPTIONS_SERVE,
      .brief = "Answers with the body that came." },
    { .name = "jobs", .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(jobs), .preset = "8", .min = 1, .max = 1024, .groups = TP_OPTIONS_SERVE,
      .brief = "How many commands of --exec run at once." },
    { .name = "queue", .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(queue), .preset = "1000", .min = 0, .max = 1000000,
      .groups = TP_OPTIONS_SERVE,
      .brief = "How many PULLs wait for --exec; one more is answered with 503." },
    { .name = "register", .value = "SERVICE", .kind = TP_OPTION_TEXT,
      .offset = AT(service), .groups = TP_OPTIONS_SERVE,
      .brief = "Announces the URIs to the registry of ADDRESS, each time that it is connected." },
    { .name = "weight", .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(weight), .preset = "1", .min = 1, .max = 1000000, .groups = TP_OPTIONS_SERVE,
      .brief = "With --register: its share of the PULLs, compared with that of others." },

    /* Several times. */
    { .name = "count", .letter = 'n', .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(count), .preset = "0", .min = 0, .max = INT64_MAX,
      .groups = TP_OPTIONS_COUNT,
      .brief = "Ends after so many; 0: goes on until it is interrupted." },
    { .name = "interval", .letter = 'i', .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(interval), .preset = "1s", .min = 1, .max = 86400000,
      .groups = TP_OPTIONS_PING,
      .brief = "The time from one PULL to the next." },
    { .name = "interval", .letter = 'i', .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(interval), .preset = "2s", .min = 100, .max = 86400000,
      .groups = TP_OPTIONS_TOP,
      .brief = "The time from one reading to the next." },

    /* Measuring. */
    { .name = "sessions", .letter = 's', .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(sessions), .preset = "1", .min = 1, .max = 60000, .groups = TP_OPTIONS_BENCH,
      .brief = "How many sessions are held open." },
    { .name = "depth", .letter = 'd', .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(depth), .preset = "1", .min = 1, .max = 65536, .groups = TP_OPTIONS_BENCH,
      .brief = "How many PULLs are in flight on each session, with --rate at most." },
    { .name = "rate", .letter = 'R', .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(rate), .preset = "0", .min = 0, .max = 100000000, .groups = TP_OPTIONS_BENCH,
      .brief = "Sends so many PULLs a second, all sessions together, come what may; 0: each when "
               "the one before it was answered." },
    { .name = "duration", .letter = 'D', .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(duration), .preset = "10s", .min = 1, .max = 86400000,
      .groups = TP_OPTIONS_BENCH,
      .brief = "How long is measured." },
    { .name = "warm-up", .letter = 'w', .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(warm_up), .preset = "300ms", .min = 0, .max = 86400000,
      .groups = TP_OPTIONS_BENCH,
      .brief = "How long it runs before it is measured." },
    { .name = "size", .value = "SIZE", .kind = TP_OPTION_SIZE,
      .offset = AT(size), .preset = "16", .min = 0, .max = 64 << 20,
      .groups = TP_OPTIONS_BENCH,
      .brief = "Makes a plain body of so many bytes, where no BODY is given." },
    { .name = "threads", .letter = 'T', .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(threads), .preset = "1", .min = 1, .max = 256, .groups = TP_OPTIONS_BENCH,
      .brief = "How many threads share the sessions." },
    { .name = "push", .kind = TP_OPTION_FLAG, .offset = AT(does_push),
      .groups = TP_OPTIONS_BENCH,
      .brief = "Sends PUSHes instead, and waits until each comes back as a PUSH to the same URI." },
    { .name = "server-pid", .value = "PID", .kind = TP_OPTION_INTEGER,
      .offset = AT(server_pid), .preset = "0", .min = 0, .max = INT32_MAX,
      .groups = TP_OPTIONS_BENCH,
      .brief = "Tells what this process of this machine ran meanwhile." },

    /* Operating a server. */
    { .name = "id", .value = "ID", .kind = TP_OPTION_TEXT,
      .offset = AT(target_id), .groups = TP_OPTIONS_CLOSE,
      .brief = "The session with this id." },
    { .name = "id-prefix", .value = "PREFIX", .kind = TP_OPTION_TEXT,
      .offset = AT(id_prefix), .groups = TP_OPTIONS_SESSIONS,
      .brief = "Only sessions whose id begins so." },
    { .name = "remote", .value = "IP", .kind = TP_OPTION_TEXT,
      .offset = AT(remote), .groups = TP_OPTIONS_SESSIONS | TP_OPTIONS_TRACE,
      .brief = "Only sessions with this address, without a port; unix: for Unix sockets." },
    { .name = "source", .value = "NAME", .kind = TP_OPTION_TEXT,
      .offset = AT(source), .groups = TP_OPTIONS_SESSIONS,
      .brief = "Only sessions that came by this listen, named as in the configuration." },
    { .name = "page", .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(page), .preset = "100", .min = 1, .max = 1000,
      .groups = TP_OPTIONS_SESSIONS,
      .brief = "How many sessions are asked for at once; all are shown in any case." },
    { .name = "reason", .value = "TEXT", .kind = TP_OPTION_TEXT,
      .offset = AT(reason), .groups = TP_OPTIONS_CLOSE,
      .brief = "What the other end is told." },
    { .name = "may-return", .kind = TP_OPTION_FLAG, .offset = AT(may_return),
      .groups = TP_OPTIONS_CLOSE,
      .brief = "Tells the other end that it may connect again." },

    { .name = "limit", .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(limit), .preset = "100", .min = 1, .max = 1000,
      .groups = TP_OPTIONS_INFLIGHT | TP_OPTIONS_TOP,
      .brief = "Prints so many rows at most; how many there are is said in any case." },
    { .name = "batch", .letter = 'b', .kind = TP_OPTION_FLAG, .offset = AT(is_batch),
      .groups = TP_OPTIONS_TOP,
      .brief = "Prints tables one after the other, instead of a screen." },
    { .name = "view", .value = "NAME", .kind = TP_OPTION_TEXT,
      .offset = AT(view), .groups = TP_OPTIONS_TOP,
      .brief = "What is shown first: sessions, routes, upstreams, workers or inflight." },
    { .name = "sort", .value = "COLUMN", .kind = TP_OPTION_TEXT,
      .offset = AT(sort), .groups = TP_OPTIONS_TOP,
      .brief = "The title of the column that rows are sorted by." },
    { .name = "sessions", .letter = 's', .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(sessions), .preset = "10000", .min = 1, .max = 1000000,
      .groups = TP_OPTIONS_TOP,
      .brief = "At most so many sessions are looked at; that there are more is said." },
    { .name = "session", .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(target_number), .preset = "0", .min = 0, .max = INT64_MAX,
      .groups = TP_OPTIONS_INFLIGHT | TP_OPTIONS_TRACE,
      .brief = "Only exchanges of the session of this number; 0: of any." },
    { .name = "id", .value = "ID", .kind = TP_OPTION_TEXT,
      .offset = AT(target_id), .groups = TP_OPTIONS_INFLIGHT | TP_OPTIONS_TRACE,
      .brief = "Only exchanges of the session with this id." },
    { .name = "uri", .value = "PREFIX", .kind = TP_OPTION_TEXT,
      .offset = AT(uri_prefix), .groups = TP_OPTIONS_INFLIGHT,
      .brief = "Only exchanges whose URI begins so." },
    { .name = "older", .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(older), .preset = "0s", .min = 0, .max = 86400000,
      .groups = TP_OPTIONS_INFLIGHT,
      .brief = "Only exchanges that have been in flight for so long." },

    /* Watching what is asked of a server. */
    { .name = "uri", .value = "URI", .kind = TP_OPTION_TEXT,
      .offset = AT(uri_pattern), .groups = TP_OPTIONS_TRACE,
      .brief = "Only this path; with /* at its end all below it." },
    { .name = "status", .value = "STATUS", .kind = TP_OPTION_TEXT,
      .offset = AT(status), .groups = TP_OPTIONS_TRACE,
      .brief = "Only what ends with this status: 404, say, or 5xx." },
    { .name = "slower", .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(slower), .preset = "0s", .min = 0, .max = 86400000,
      .groups = TP_OPTIONS_TRACE,
      .brief = "Only what takes at least so long, from the packet's first byte until its answer has "
               "left." },
    { .name = "bodies", .kind = TP_OPTION_FLAG, .offset = AT(wants_bodies),
      .groups = TP_OPTIONS_TRACE,
      .brief = "Shows bodies, too, where the server allows it (control_trace bodies)." },
    { .name = "for", .value = "DURATION", .kind = TP_OPTION_DURATION,
      .offset = AT(trace_time), .preset = "0s", .min = 0, .max = 86400000,
      .groups = TP_OPTIONS_TRACE,
      .brief = "Ends after this time; 0s: goes on until it is interrupted." },

    /* Hashes of secrets. */
    { .name = "id", .value = "ID", .kind = TP_OPTION_TEXT,
      .offset = AT(target_id), .groups = TP_OPTIONS_HASH,
      .brief = "Prints the whole line of this id." },
    { .name = "cost", .value = "NUMBER", .kind = TP_OPTION_INTEGER,
      .offset = AT(cost), .preset = "15", .min = TP_SECRET_COST_MIN, .max = TP_SECRET_COST_MAX,
      .groups = TP_OPTIONS_HASH,
      .brief = "How much work it is, as a logarithm." },

    /* Always there. */
    { .name = "quiet", .letter = 'q', .kind = TP_OPTION_FLAG, .offset = AT(is_quiet),
      .groups = TP_OPTIONS_COMMON,
      .brief = "Says nothing but what was asked for; the exit code tells the rest." },
    { .name = "verbose", .letter = 'v', .kind = TP_OPTION_FLAG, .offset = AT(is_verbose),
      .groups = TP_OPTIONS_COMMON,
      .brief = "Says on standard error what happens: connections, statuses, codecs, times." },
    { .name = "no-color", .kind = TP_OPTION_FLAG, .offset = AT(has_no_color),
      .groups = TP_OPTIONS_COMMON,
      .brief = "Does not colour, on a terminal either." },
    { .name = "help", .letter = 'h', .kind = TP_OPTION_FLAG, .offset = AT(wants_help),
      .groups = TP_OPTIONS_COMMON,
      .brief = "Explains tp, or the command that is named." },
    { .name = "version", .letter = 'V', .kind = TP_OPTION_FLAG, .offset = AT(wants_version),
      .groups = TP_OPTIONS_COMMON,
      .brief = "Prints the version." },
    { .name = NULL },
};

const struct tp_environment_variable tp__environment[] = {
    { "TELEPORT_ADDRESS", "The ADDRESS where none is given; 127.0.0.1:9090 without it." },
    { "TELEPORT_CONTROL", "The same for commands that ask a control module, before TELEPORT_ADDRESS." },
    { "TELEPORT_CREDENTIALS", "Who this end is, id:secret or a token, where --credentials names no "
                              "file." },
    { "NO_COLOR", "Nothing is coloured when this is set and not empty." },
    { NULL, NULL },
};
/* clang-format on */

bool
tp__option_is_of(const struct tp_option *option, const struct tp_command *command)
{
    return ((command->groups | TP_OPTIONS_COMMON) & option->groups) != 0;
}

const char *
tp__option_preset(const struct tp_option *option, const struct tp_command *command, char *text,
                  size_t len)
{
    const char *found = option->preset == NULL ? "" : option->preset;
    size_t name_len = strlen(option->name);

    snprintf(text, len, "%s", found);
    for (const char *word = command->presets; word != NULL && *word != '\0';) {
        size_t word_len = strcspn(word, " ");

        if (strncmp(word, option->name, name_len) == 0 && word[name_len] == '=') {
            snprintf(text, len, "%.*s", (int) (word_len - name_len - 1), word + name_len + 1);
        }
        word += word_len + strspn(word + word_len, " ");
    }
    return text;
}
