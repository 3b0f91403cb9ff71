/*
 * scratch.c - a directory of a test's own.
 */
#include "scratch.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
tp__scratch_open(struct tp_scratch *scratch)
{
    *scratch = (struct tp_scratch){ .directory = "/tmp/teleport-unit.XXXXXX" };
    ck_assert_ptr_nonnull(mkdtemp(scratch->directory));
}

void
tp__scratch_close(struct tp_scratch *scratch)
{
    DIR *directory = opendir(scratch->directory);
    const struct dirent *entry;

    ck_assert_ptr_nonnull(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            remove(tp__scratch_path(scratch, entry->d_name));
        }
    }
    closedir(directory);
    ck_assert_int_eq(0, rmdir(scratch->directory));
}

const char *
tp__scratch_path(struct tp_scratch *scratch, const char *name)
{
    int len = snprintf(scratch->path, sizeof(scratch->path), "%s/%s", scratch->directory, name);

    ck_assert_int_lt(len, (int) sizeof(scratch->path));
    return scratch->path;
}

const char *
tp__scratch_write(struct tp_scratch *scratch, const char *name, const char *content)
{
    FILE *file = fopen(tp__scratch_path(scratch, name), "w");

    ck_assert_ptr_nonnull(file);
    if (content != NULL) {
        ck_assert_int_ge(fputs(content, file), 0);
    }
    ck_assert_int_eq(0, fclose(file));
    return scratch->path;
}

void
tp__scratch_be_quiet(void)
{
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}
