/*
 * router.c - tests of server/router: which route serves a path.
 */
#include "server/router.h"

#include "base/str.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum {
    ROUTES_MAX = 16,
    ROUTES_MANY = 2000,
    DEEP = 40,
};

/* A router of the uris given, ended by NULL, and its routes in their order. */
struct routes {
    struct tp_arena arena;
    struct tp_route routes[ROUTES_MAX];
    struct tp_router router;
};

static void
routes_build(struct routes *routes, const char *const *uris)
{
    const struct tp_route *list[ROUTES_MAX];
    size_t count = 0;

    memset(routes, 0, sizeof(*routes));
    tp__arena_init(&routes->arena, 4096);
    for (; uris[count] != NULL; count++) {
        routes->routes[count].uri = tp__str(uris[count]);
        list[count] = &routes->routes[count];
    }
    tp__router_build(&routes->router, list, count, &routes->arena);
}

/* The uri of the route that serves the path; "none" when there is none. */
static const char *
routes_find(const struct routes *routes, const char *path)
{
    const struct tp_route *route = tp__router_find(&routes->router, tp__str(path));

    return route == NULL ? "none" : route->uri.data;
}

#define ROUTES_BUILD(routes, ...) routes_build((routes), (const char *const[]){ __VA_ARGS__, NULL })

START_TEST(without_routes_nothing_is_found)
{
    struct routes routes;

    routes_build(&routes, (const char *const[]){ NULL });
    ck_assert_str_eq("none", routes_find(&routes, "/"));
    ck_assert_str_eq("none", routes_find(&routes, ""));
    ck_assert_str_eq("none", routes_find(&routes, "/a/b/c"));
    tp__arena_fini(&routes.arena);
}
END_TEST

START_TEST(exact_beats_the_longest_prefix_beats_the_star)
{
    struct routes routes;

    ROUTES_BUILD(&routes, "*", "/math/*", "/math/deep/*", "/math/add", "/*", "/math/deep/add");
    ck_assert_str_eq("/math/add", routes_find(&routes, "/math/add"));
    ck_assert_str_eq("/math/*", routes_find(&routes, "/math/sub"));
    ck_assert_str_eq("/math/*", routes_find(&routes, "/math/add/more"));
    ck_assert_str_eq("/math/deep/*", routes_find(&routes, "/math/deep/sub"));
    ck_assert_str_eq("/math/deep/add", routes_find(&routes, "/math/deep/add"));
    ck_assert_str_eq("/*", routes_find(&routes, "/else"));
    ck_assert_str_eq("*", routes_find(&routes, "else"));
    ck_assert_str_eq("*", routes_find(&routes, "/"));
    ck_assert_str_eq("*", routes_find(&routes, ""));
    tp__arena_fini(&routes.arena);
}
END_TEST

START_TEST(a_prefix_needs_something_below_it)
{
    struct routes routes;

    ROUTES_BUILD(&routes, "/math/*");
    ck_assert_str_eq("none", routes_find(&routes, "/math"));
    ck_assert_str_eq("none", routes_find(&routes, "/math/"));
    ck_assert_str_eq("none", routes_find(&routes, "/mathematics"));
    ck_assert_str_eq("none", routes_find(&routes, "math/add"));
    ck_assert_str_eq("/math/*", routes_find(&routes, "/math/a"));
    ck_assert_str_eq("/math/*", routes_find(&routes, "/math//"));
    ck_assert_str_eq("/math/*", routes_find(&routes, "/math/../other"));
    tp__arena_fini(&routes.arena);
}
END_TEST

START_TEST(a_path_is_what_it_is)
{
    struct routes routes;

    ROUTES_BUILD(&routes, "/a", "/a/", "//a", "/A");
    ck_assert_str_eq("/a", routes_find(&routes, "/a"));
    ck_assert_str_eq("/a/", routes_find(&routes, "/a/"));
    ck_assert_str_eq("//a", routes_find(&routes, "//a"));
    ck_assert_str_eq("/A", routes_find(&routes, "/A"));
    ck_assert_str_eq("none", routes_find(&routes, "/./a"));
    ck_assert_str_eq("none", routes_find(&routes, "/a//"));
    tp__arena_fini(&routes.arena);
}
END_TEST

START_TEST(of_two_routes_with_one_uri_the_first_stays)
{
    struct routes routes;

    ROUTES_BUILD(&routes, "/a", "/b/*", "*", "/a", "/b/*", "*");
    ck_assert_ptr_eq(&routes.routes[0], tp__router_find(&routes.router, TP_STR("/a")));
    ck_assert_ptr_eq(&routes.routes[1], tp__router_find(&routes.router, TP_STR("/b/c")));
    ck_assert_ptr_eq(&routes.routes[2], tp__router_find(&routes.router, TP_STR("/c")));
    tp__arena_fini(&routes.arena);
}
END_TEST

START_TEST(a_path_deeper_than_all_prefixes_is_served)
{
    struct routes routes;
    char path[2 * DEEP + 1] = "";

    ROUTES_BUILD(&routes, "/x/*");
    for (int i = 0; i < DEEP; i++) {
        strcat(path, "/x");
    }
    ck_assert_str_eq("/x/*", routes_find(&routes, path));
    tp__arena_fini(&routes.arena);
}
END_TEST

START_TEST(each_of_many_routes_is_found)
{
    static struct tp_route many[ROUTES_MANY];
    static const struct tp_route *list[ROUTES_MANY];
    static char uris[ROUTES_MANY][32];
    struct tp_arena arena;
    struct tp_router router;

    tp__arena_init(&arena, 4096);
    for (int i = 0; i < ROUTES_MANY; i++) {
        snprintf(uris[i], sizeof(uris[i]), i % 2 == 0 ? "/exact/%d" : "/below/%d/*", i);
        many[i].uri = tp__str(uris[i]);
        list[i] = &many[i];
    }
    tp__router_build(&router, list, ROUTES_MANY, &arena);
    for (int i = 0; i < ROUTES_MANY; i++) {
        char path[32];

        snprintf(path, sizeof(path), i % 2 == 0 ? "/exact/%d" : "/below/%d/x/y", i);
        ck_assert_ptr_eq(&many[i], tp__router_find(&router, tp__str(path)));
    }
    ck_assert_ptr_null(tp__router_find(&router, TP_STR("/exact/1")));
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(a_router_grows_until_its_room_is_used_up)
{
    static const char *const uris[] = { "/a", "/b/*", "*", "/c" };
    struct tp_route routes[TP_COUNT_OF(uris)] = { 0 };
    struct tp_arena arena;
    struct tp_router router;

    tp__arena_init(&arena, 4096);
    ck_assert_int_eq(TP_OK, tp__router_init(&router, TP_COUNT_OF(uris), &arena));
    for (size_t i = 0; i < TP_COUNT_OF(uris); i++) {
        routes[i].uri = tp__str(uris[i]);
        ck_assert_int_eq(TP_OK, tp__router_add(&router, &routes[i]));
        ck_assert_int_eq(TP_EXISTS, tp__router_add(&router, &routes[i]));
    }
    ck_assert_ptr_eq(&routes[3], tp__router_find(&router, TP_STR("/c")));
    ck_assert_ptr_eq(&routes[1], tp__router_find(&router, TP_STR("/b/x")));
    ck_assert_ptr_eq(&routes[2], tp__router_find(&router, TP_STR("/d")));
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(a_full_router_says_so)
{
    static struct tp_route many[ROUTES_MANY];
    static char uris[ROUTES_MANY][32];
    struct tp_arena arena;
    struct tp_router router;
    enum tp_result result = TP_OK;
    int added = 0;

    tp__arena_init(&arena, 4096);
    ck_assert_int_eq(TP_OK, tp__router_init(&router, 10, &arena));
    while (result == TP_OK) {
        snprintf(uris[added], sizeof(uris[added]), "/%d", added);
        many[added].uri = tp__str(uris[added]);
        result = tp__router_add(&router, &many[added]);
        added += result == TP_OK;
    }
    ck_assert_int_eq(TP_FULL, result);
    ck_assert_int_ge(added, 10);
    ck_assert_ptr_null(tp__router_find(&router, TP_STR("/none")));
    for (int i = 0; i < added; i++) {
        ck_assert_ptr_eq(&many[i], tp__router_find(&router, many[i].uri));
    }
    tp__arena_fini(&arena);
}
END_TEST

Suite *
tp_suite_server_router(void)
{
    Suite *suite = suite_create("server/router");
    TCase *tests = tcase_create("router");

    tcase_add_test(tests, without_routes_nothing_is_found);
    tcase_add_test(tests, exact_beats_the_longest_prefix_beats_the_star);
    tcase_add_test(tests, a_prefix_needs_something_below_it);
    tcase_add_test(tests, a_path_is_what_it_is);
    tcase_add_test(tests, of_two_routes_with_one_uri_the_first_stays);
    tcase_add_test(tests, a_path_deeper_than_all_prefixes_is_served);
    tcase_add_test(tests, a_router_grows_until_its_room_is_used_up);
    tcase_add_test(tests, a_full_router_says_so);
    tcase_add_test(tests, each_of_many_routes_is_found);
    suite_add_tcase(suite, tests);
    return suite;
}
