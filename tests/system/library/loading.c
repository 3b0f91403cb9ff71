/*
 * loading.c - loads the library at run time, uses it, lets go of it, and does so again; nothing
 * may be left.  Usage: loading LIBRARY
 */
#include <teleport/teleport.h>

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TIMES = 3,
};

typedef const char *(*version_fn)(void);
typedef enum tp_result (*create_fn)(const struct tp_peer_options *options, struct tp_peer **peer);
typedef enum tp_result (*listen_fn)(struct tp_peer *peer, const char *address, uint16_t *port);
typedef void (*turn_fn)(struct tp_peer *peer, int64_t wait_max_ms);
typedef void (*destroy_fn)(struct tp_peer **peer);

/* dlsym() gives an object's address where a function's is meant. */
union symbol {
    void *object;
    version_fn version;
    create_fn create;
    listen_fn listen;
    turn_fn turn;
    destroy_fn destroy;
};

static union symbol
find(void *library, const char *name)
{
    union symbol symbol = { .object = dlsym(library, name) };

    if (symbol.object == NULL) {
        fprintf(stderr, "%s: %s\n", name, dlerror());
        exit(EXIT_FAILURE);
    }
    return symbol;
}

static int
count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void
use(const char *path)
{
    const struct tp_peer_options options = TP_PEER_OPTIONS;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    struct tp_peer *peer;
    uint16_t port;

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    if (find(library, "tp_peer_create").create(&options, &peer) != TP_OK
        || find(library, "tp_peer_listen").listen(peer, "127.0.0.1:0", &port) != TP_OK) {
        exit(EXIT_FAILURE);
    }
    find(library, "tp_peer_turn").turn(peer, 0);
    find(library, "tp_peer_destroy").destroy(&peer);
    printf("%s\n", find(library, "tp_version").version());
    dlclose(library);
}

int
main(int argc, char **argv)
{
    int before = count_descriptors();

    if (argc < 2) {
        return EXIT_FAILURE;
    }
    for (int i = 0; i < TIMES; i++) {
        use(argv[1]);
    }
    return count_descriptors() == before ? EXIT_SUCCESS : EXIT_FAILURE;
}
