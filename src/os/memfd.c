/*
 * memfd.c - anonymous memory behind a descriptor.
 *
 * Runs in: the master, which makes it, and the workers, which map it.
 * Read next: share/zone.c.
 */
#include "os/memfd.h"

#include "base/result.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MEMFD_SEALS_OF_SIZE = F_SEAL_SHRINK | F_SEAL_GROW,
};

static enum tp_result memfd_open(const char *name, size_t size, int *fd);
static enum tp_result memfd_fill(int fd, struct tp_str bytes);
static enum tp_result memfd_seal(int fd, int seals);

enum tp_result
tp__memfd_create(const char *name, size_t size, int *fd)
{
    enum tp_result result = memfd_open(name, size, fd);

    if (result != TP_OK) {
        return result;
    }
    result = memfd_seal(*fd, MEMFD_SEALS_OF_SIZE | F_SEAL_SEAL);
    if (result != TP_OK) {
        tp__descriptor_close(fd);
    }
    return result;
}

enum tp_result
tp__memfd_create_sealed(const char *name, struct tp_str bytes, int *fd)
{
    enum tp_result result = memfd_open(name, bytes.len, fd);

    if (result != TP_OK) {
        return result;
    }
    result = memfd_fill(*fd, bytes);
    if (result == TP_OK) {
        result = memfd_seal(*fd, MEMFD_SEALS_OF_SIZE | F_SEAL_WRITE | F_SEAL_SEAL);
    }
    if (result != TP_OK) {
        tp__descriptor_close(fd);
    }
    return result;
}

enum tp_result
tp__memfd_size(int fd, size_t *size)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 && errno == EBADF) {
        return TP_SYSTEM;
    }
    if (seals == -1 || (seals & MEMFD_SEALS_OF_SIZE) != MEMFD_SEALS_OF_SIZE) {
        return TP_MISMATCH;
    }
    if (fstat(fd, &status) == -1) {
        return tp__result_from_errno();
    }
    *size = (size_t) status.st_size;
    return TP_OK;
}

enum tp_result
tp__memfd_map(int fd, size_t size, void **base)
{
    *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*base == MAP_FAILED) {
        *base = NULL;
        return tp__result_from_errno();
    }
    return TP_OK;
}

enum tp_result
tp__memfd_map_sealed(int fd, size_t size, const void **base)
{
    /* Private, for before Linux 6.7 a shared mapping counts as one that may be made writable. */
    void *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

    *base = NULL;
    if (mapped == MAP_FAILED) {
        return tp__result_from_errno();
    }
    *base = mapped;
    return TP_OK;
}

void
tp__memfd_unmap(const void *base, size_t size)
{
    TP_ASSERT(munmap((void *) (uintptr_t) base, size) == 0);
}

static enum tp_result
memfd_open(const char *name, size_t size, int *fd)
{
    TP_ASSERT(size > 0);
    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd == -1) {
        return tp__result_from_errno();
    }
    if (ftruncate(*fd, (off_t) size) == -1) {
        enum tp_result result = tp__result_from_errno();

        tp__descriptor_close(fd);
        return result;
    }
    return TP_OK;
}

static enum tp_result
memfd_fill(int fd, struct tp_str bytes)
{
    size_t filled = 0;

    while (filled < bytes.len) {
        ssize_t written = pwrite(fd, bytes.data + filled, bytes.len - filled, (off_t) filled);

        if (written == -1 && errno != EINTR) {
            return tp__result_from_errno();
        }
        filled += written > 0 ? (size_t) written : 0;
    }
    return TP_OK;
}

static enum tp_result
memfd_seal(int fd, int seals)
{
    return fcntl(fd, F_ADD_SEALS, seals) == -1 ? tp__result_from_errno() : TP_OK;
}
