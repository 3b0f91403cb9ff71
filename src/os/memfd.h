/*
 * os/memfd.h - anonymous memory behind a descriptor, shared by whoever holds one.
 *
 * Every descriptor made here is close-on-exec and of a size that can never
 * change again, so a mapping cannot be pulled away from under its users.  Who
 * holds the descriptor may map it, whatever user that process runs as; it is
 * copied and closed as any other (os/file.h).
 *
 * Threads: no state of its own; may be called from any thread.
 */
#ifndef TP_OS_MEMFD_H
#define TP_OS_MEMFD_H

#include <teleport/base.h>

/*
 * Makes `size` zero bytes (more than none) that all holders can write.  `name`
 * shows in /proc only.
 */
enum tp_result tp__memfd_create(const char *name, size_t size, int *fd) TP_MUST_CHECK;

/* Makes a copy of `bytes` (more than none) that nobody can change any more, its maker included. */
enum tp_result tp__memfd_create_sealed(const char *name, struct tp_str bytes,
                                       int *fd) TP_MUST_CHECK;

/*
 * The size of the memory behind a descriptor that came from elsewhere.
 * TP_MISMATCH: it is not memory whose size is fixed for good.
 */
enum tp_result tp__memfd_size(int fd, size_t *size) TP_MUST_CHECK;

/* Maps `size` bytes for reading and writing; the mapping outlives the descriptor. */
enum tp_result tp__memfd_map(int fd, size_t size, void **base) TP_MUST_CHECK;

/* Maps `size` bytes for reading: the only way to see sealed memory. */
enum tp_result tp__memfd_map_sealed(int fd, size_t size, const void **base) TP_MUST_CHECK;

/* Ends a mapping of either kind. */
void tp__memfd_unmap(const void *base, size_t size);

#endif
