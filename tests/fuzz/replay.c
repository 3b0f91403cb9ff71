/*
 * replay.c - gives a fuzz target every file of its corpus, without a fuzzer.
 *
 * So `make test` keeps what fuzzing once found from coming back, with any
 * compiler.  A target that dislikes an input crashes; returning is passing.
 *
 * Runs in: a program of its own, one per target.  Read next: the targets beside it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPLAY_PATH_MAX = 4096,
    REPLAY_FILE_BYTES_MAX = 16 * 1024 * 1024,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_directory(const char *path);
static int replay_file(const char *directory, const char *name);
static uint8_t *replay_read(FILE *file, size_t *len);

int
main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i]);

        if (count < 0) {
            return EXIT_FAILURE;
        }
        total += count;
    }
    printf("Replayed %d inputs of %s\n", total, argc > 1 ? argv[1] : "nothing");
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Returns how many files were replayed, or -1 after saying what is wrong. */
static int
replay_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int count = 0;

    if (directory == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    while (count >= 0 && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            count = replay_file(path, entry->d_name) == 0 ? count + 1 : -1;
        }
    }
    closedir(directory);
    return count;
}

static int
replay_file(const char *directory, const char *name)
{
    char path[REPLAY_PATH_MAX];
    FILE *file;
    uint8_t *data;
    size_t len;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    data = replay_read(file, &len);
    fclose(file);
    if (data == NULL) {
        fprintf(stderr, "%s: cannot be read, or is over %d bytes\n", path, REPLAY_FILE_BYTES_MAX);
        return -1;
    }
    LLVMFuzzerTestOneInput(data, len);
    free(data);
    return 0;
}

/*
 * Returns the content in a block of exactly its length, so that a sanitizer sees
 * a read behind it; NULL when it is too large or cannot be read.
 */
static uint8_t *
replay_read(FILE *file, size_t *len)
{
    uint8_t *data = malloc(REPLAY_FILE_BYTES_MAX + 1);
    uint8_t *exact;

    if (data == NULL) {
        return NULL;
    }
    *len = fread(data, 1, REPLAY_FILE_BYTES_MAX + 1, file);
    if (ferror(file) || *len > REPLAY_FILE_BYTES_MAX) {
        free(data);
        return NULL;
    }
    exact = malloc(*len > 0 ? *len : 1);
    if (exact != NULL) {
        memcpy(exact, data, *len);
    }
    free(data);
    return exact;
}
