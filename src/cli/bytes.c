/*
 * bytes.c - growing, and reading files to their end.
 */
#include "cli/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BYTES_FIRST_CAPACITY = 4096,
    BYTES_READ_SIZE = 64 * 1024,
};

static enum tp_result read_stream(struct tp_bytes *bytes, FILE *file, size_t max);

void
tp__bytes_fini(struct tp_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct tp_bytes){ 0 };
}

enum tp_result
tp__bytes_append(struct tp_bytes *bytes, struct tp_str more, size_t max)
{
    size_t capacity = bytes->capacity == 0 ? BYTES_FIRST_CAPACITY : bytes->capacity;

    if (more.len > max || bytes->len > max - more.len) {
        return TP_TOO_LARGE;
    }
    while (capacity < bytes->len + more.len) {
        capacity *= 2;
    }
    if (capacity != bytes->capacity) {
        char *data = realloc(bytes->data, capacity);

        if (data == NULL) {
            return TP_NO_MEMORY;
        }
        bytes->data = data;
        bytes->capacity = capacity;
    }
    if (more.len > 0) {
        memcpy(bytes->data + bytes->len, more.data, more.len);
        bytes->len += more.len;
    }
    return TP_OK;
}

enum tp_result
tp__bytes_read_file(struct tp_bytes *bytes, const char *path, size_t max)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");

    if (file == NULL) {
        return TP_SYSTEM;
    }
    enum tp_result result = read_stream(bytes, file, max);
    int error = errno;

    if (file != stdin) {
        fclose(file);
    }
    errno = error;
    return result;
}

enum tp_result
tp__bytes_read_body(struct tp_bytes *bytes, const char *body, size_t max)
{
    if (body == NULL) {
        return TP_OK;
    }
    if (body[0] == '@') {
        return tp__bytes_read_file(bytes, body + 1, max);
    }
    if (strcmp(body, "-") == 0) {
        return tp__bytes_read_file(bytes, body, max);
    }
    return tp__bytes_append(bytes, (struct tp_str){ body, strlen(body) }, max);
}

static enum tp_result
read_stream(struct tp_bytes *bytes, FILE *file, size_t max)
{
    char *room = malloc(BYTES_READ_SIZE);
    enum tp_result result = room == NULL ? TP_NO_MEMORY : TP_OK;

    errno = 0;
    while (result == TP_OK) {
        size_t count = fread(room, 1, BYTES_READ_SIZE, file);

        if (count == 0) {
            break;
        }
        result = tp__bytes_append(bytes, (struct tp_str){ room, count }, max);
    }
    free(room);
    return result == TP_OK && ferror(file) != 0 ? TP_SYSTEM : result;
}
