/*
 * credentials.c - finds the bytes of credentials, and forgets them.
 *
 * A file is read where it is needed, on the loop: a few bytes of a local disk once for each
 * connection, and whoever replaces it needs to tell nobody.
 *
 * Runs in: worker; a program's thread with the library.  Read next: session/presenting.c.
 */
#include "server/credentials.h"

#include "base/str.h"
#include "os/file.h"
#include "os/process.h"

#include <stdlib.h>
#include <string.h>

enum {
    CREDENTIALS_FILE_MAX = TP_CREDENTIALS_MAX + 256, /* with what stands around them */
};

static void text_copy(const char **text, char **room);
static size_t text_size(const char *text);
static enum tp_result credentials_find(const struct tp_credentials *credentials,
                                       struct tp_text *found);
static struct tp_str credentials_trim(struct tp_str text);
static bool byte_is_space(char byte);

enum tp_result
tp__credentials_copy(const struct tp_credentials *credentials, struct tp_credentials **copy)
{
    *copy = NULL;
    if (!tp__credentials_are_there(credentials)) {
        return TP_OK;
    }
    struct tp_credentials *made =
        malloc(sizeof(*made) + text_size(credentials->text) + text_size(credentials->file)
               + text_size(credentials->environment) + text_size(credentials->uri));

    if (made == NULL) {
        return TP_NO_MEMORY;
    }
    char *room = (char *) (made + 1);

    *made = *credentials;
    text_copy(&made->text, &room);
    text_copy(&made->file, &room);
    text_copy(&made->environment, &room);
    text_copy(&made->uri, &room);
    *copy = made;
    return TP_OK;
}

enum tp_result
tp__credentials_read(const struct tp_credentials *credentials, struct tp_text *said)
{
    struct tp_text found = { 0 };
    enum tp_result result = credentials_find(credentials, &found);
    struct tp_str bytes = credentials_trim(tp__text_get(&found));

    if (result == TP_OK && bytes.len > TP_CREDENTIALS_MAX) {
        result = TP_TOO_LARGE;
    }
    if (result == TP_OK && !tp__credentials_are_sane(bytes)) {
        result = TP_INVALID;
    }
    if (result == TP_OK) {
        tp__text_append(said, bytes);
        result = tp__text_is_whole(said) ? TP_OK : TP_NO_MEMORY;
    }
    tp__credentials_wipe(&found);
    return result;
}

bool
tp__credentials_are_sane(struct tp_str said)
{
    for (size_t i = 0; i < said.len; i++) {
        if ((unsigned char) said.data[i] < ' ' || said.data[i] == 0x7f) {
            return false;
        }
    }
    return said.len > 0;
}

void
tp__credentials_wipe(struct tp_text *said)
{
    if (said->data != NULL) {
        explicit_bzero(said->data, said->capacity);
    }
    tp__text_fini(said);
}

static void
text_copy(const char **text, char **room)
{
    if (*text != NULL) {
        size_t size = text_size(*text);

        *text = memcpy(*room, *text, size);
        *room += size;
    }
}

static size_t
text_size(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static enum tp_result
credentials_find(const struct tp_credentials *credentials, struct tp_text *found)
{
    if (credentials->file != NULL) {
        return tp__file_read(credentials->file, CREDENTIALS_FILE_MAX, found);
    }
    const char *text = credentials->text;

    if (text == NULL) {
        text = tp__process_environment(credentials->environment);
    }
    if (text == NULL) {
        return TP_NOT_FOUND;
    }
    tp__text_append(found, tp__str(text));
    return tp__text_is_whole(found) ? TP_OK : TP_NO_MEMORY;
}

static struct tp_str
credentials_trim(struct tp_str text)
{
    while (text.len > 0 && byte_is_space(text.data[0])) {
        text = tp__str_skip(text, 1);
    }
    while (text.len > 0 && byte_is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

static bool
byte_is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}
