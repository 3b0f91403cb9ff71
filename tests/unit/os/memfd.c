/*
 * memfd.c - tests of os/memfd: memory behind descriptors.
 */
#include "os/memfd.h"

#include "children.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MEMORY_BYTES = 10000,
};

Suite *tp_suite_os_memfd(void);

static void
write_as_nobody(struct child *self, void *argument)
{
    int *fd = argument;
    void *base;

    (void) self;
    child_become_nobody();
    TP_ASSERT(tp__memfd_map(*fd, MEMORY_BYTES, &base) == TP_OK);
    memcpy(base, "written", 7);
}

START_TEST(is_shared_with_whoever_holds_the_descriptor)
{
    int fd;
    void *base;
    size_t size;
    struct child child;

    ck_assert_int_eq(TP_OK, tp__memfd_create("test", MEMORY_BYTES, &fd));
    ck_assert_int_eq(FD_CLOEXEC, fcntl(fd, F_GETFD));
    ck_assert_int_eq(TP_OK, tp__memfd_size(fd, &size));
    ck_assert_uint_eq(MEMORY_BYTES, size);
    ck_assert_int_eq(TP_OK, tp__memfd_map(fd, size, &base));
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(0, ((char *) base)[i]);
    }
    child_start(&child, write_as_nobody, &fd);
    child_join(&child);
    tp__descriptor_close(&fd);
    ck_assert_mem_eq("written", base, 7);
    tp__memfd_unmap(base, size);
}
END_TEST

START_TEST(never_changes_its_size)
{
    int fd;

    ck_assert_int_eq(TP_OK, tp__memfd_create("test", MEMORY_BYTES, &fd));
    ck_assert_int_eq(-1, ftruncate(fd, MEMORY_BYTES - 1));
    ck_assert_int_eq(-1, ftruncate(fd, MEMORY_BYTES + 1));
    ck_assert_int_eq(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(sealed_memory_is_what_it_was_made_from)
{
    int fd;
    const void *base;
    void *writable;
    size_t size;

    ck_assert_int_eq(TP_OK, tp__memfd_create_sealed("test", TP_STR("unchanging"), &fd));
    ck_assert_int_eq(TP_OK, tp__memfd_size(fd, &size));
    ck_assert_uint_eq(10, size);
    ck_assert_int_eq(TP_DENIED, tp__memfd_map(fd, size, &writable));
    ck_assert_ptr_null(writable);
    ck_assert_int_eq(-1, pwrite(fd, "x", 1, 0));
    ck_assert_int_eq(TP_OK, tp__memfd_map_sealed(fd, size, &base));
    ck_assert_mem_eq("unchanging", base, 10);
    tp__memfd_unmap(base, size);
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(what_may_shrink_is_no_memory_to_share)
{
    size_t size;
    int ends[2];
    int unsealed = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(0, pipe2(ends, O_CLOEXEC));
    ck_assert_int_eq(TP_MISMATCH, tp__memfd_size(unsealed, &size));
    ck_assert_int_eq(TP_MISMATCH, tp__memfd_size(ends[0], &size));
    tp__descriptor_close(&unsealed);
    tp__descriptor_close(&ends[0]);
    tp__descriptor_close(&ends[1]);
    ck_assert_int_eq(TP_SYSTEM, tp__memfd_size(-1, &size));
}
END_TEST

Suite *
tp_suite_os_memfd(void)
{
    Suite *suite = suite_create("os/memfd");
    TCase *tests = tcase_create("memfd");

    tcase_add_test(tests, is_shared_with_whoever_holds_the_descriptor);
    tcase_add_test(tests, never_changes_its_size);
    tcase_add_test(tests, sealed_memory_is_what_it_was_made_from);
    tcase_add_test(tests, what_may_shrink_is_no_memory_to_share);
    suite_add_tcase(suite, tests);
    return suite;
}
