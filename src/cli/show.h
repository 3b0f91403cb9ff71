/*
 * cli/show.h - how bodies and packets are printed: for people, for pipes, for programs.
 */
#ifndef TP_CLI_SHOW_H
#define TP_CLI_SHOW_H

#include "cli/client.h"

/* A codec's name, "none", or the letter of another in `text`, which has 2 bytes. */
const char *tp__show_codec(uint8_t codec, char *text);

/*
 * Prints a body: laid out for people on a terminal or with --pretty, byte for byte otherwise
 * or with --raw.  `ends_line`: a line ends behind it in any case.
 */
void tp__show_body(struct tp_client *client, uint8_t codec, struct tp_str body, bool ends_line);

/* Prints "metadata":…, (where there is any) and "codec":…,"body":… for a JSON object. */
void tp__show_json_metadata(struct tp_client *client, struct tp_str metadata);
void tp__show_json_body(struct tp_client *client, uint8_t codec, struct tp_str body);

/* Prints a line for an exchange of the other end: --json, or time, uri and size. */
void tp__show_request(struct tp_client *client, struct tp_exchange *exchange, struct tp_str body);

/* Milliseconds since `since_ns`. */
double tp__show_ms_since(uint64_t since_ns);

#endif
