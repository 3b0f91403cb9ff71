/*
 * auth.c - tests of what the module auth reads: tokens of RFC 7515 and 8037, hostile ones, and
 * files of tokens.
 */
#include "../../../modules/auth/auth/jwt.h"
#include "../../../modules/auth/auth/tokens.h"

#include <teleport/base64.h>

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

enum {
    TOKEN_ROOM = 8192,
};

/* When the examples are good. */
#define NOW_S INT64_C(1300819000)

/* RFC 7515, A.1.1. */
static const char hs256_key[] =
    "\x03\x23\x35\x4b\x2b\x0f\xa5\xbc\x83\x7e\x06\x65\x77\x7b\xa6\x8f\x5a\xb3\x28\xe6\xf0\x54\xc9"
    "\x28\xa9\x0f\x84\xb2\xd2\x50\x2e\xbf\xd3\xfb\x5a\x92\xd2\x06\x47\xef\x96\x8a\xb4\xc3\x77\x62"
    "\x3d\x22\x3d\x2e\x21\x72\x05\x2e\x4f\x08\xc0\xcd\x9a\xf5\x67\xd0\x80\xa3";

/* A.3.1, A.2.1; RFC 8037, A.2. */
static const char es256_key[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
                                "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
                                "-----END PUBLIC KEY-----\n";
static const char rs256_key[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\n"
                                "NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\n"
                                "P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n"
                                "9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\n"
                                "EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\n"
                                "FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\n"
                                "oQIDAQAB\n"
                                "-----END PUBLIC KEY-----\n";
static const char eddsa_key[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                                "-----END PUBLIC KEY-----\n";

#define JOE \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

/* RFC 7515, A.1, A.2, A.3; the last one is made with the key of RFC 8037. */
static const struct {
    enum jwt_algorithm algorithm;
    const char *key;
    const char *id_claim;
    const char *token;
} good[] = {
    { JWT_HS256, hs256_key, "iss",
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" },
    { JWT_RS256, rs256_key, "iss",
      "eyJhbGciOiJSUzI1NiJ9." JOE
      ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
      "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQ"
      "BMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6Ie"
      "YI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
    { JWT_ES256, es256_key, "iss",
      "eyJhbGciOiJFUzI1NiJ9." JOE
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" },
    { JWT_EDDSA, eddsa_key, "sub",
      "eyJhbGciOiJFZERTQSJ9."
      "eyJzdWIiOiJhbm4iLCJleHAiOjEzMDA4MTkzODB9."
      "IuFBVbcHUl_4vds3ZJnT23udO8B4BveVTUOK977GMHgEjkM-WyA_sJgqxiKi-7ZtI4eLLLHklgPPlMoh_n1dDQ" },
};

#define HEADER "{\"alg\":\"HS256\"}"

/* Signed well by HS256, all of them; what is wrong is what they say. */
static const struct {
    const char *header;
    const char *payload;
    const char *why; /* NULL: nothing is */
} signed_tokens[] = {
    { HEADER, "{\"sub\":\"ann\"}", NULL },
    { HEADER, "{\"sub\":7}", NULL },
    { "{\"alg\":\"none\"}", "{\"sub\":\"ann\"}", "algorithm" },
    { "{\"alg\":\"hs256\"}", "{\"sub\":\"ann\"}", "algorithm" },
    { "{\"alg\":\"RS256\"}", "{\"sub\":\"ann\"}", "algorithm" },
    { "{\"alg\":[\"HS256\"]}", "{\"sub\":\"ann\"}", "algorithm" },
    { "{}", "{\"sub\":\"ann\"}", "algorithm" },
    { "{\"alg\":\"HS256\",\"alg\":\"none\"}", "{\"sub\":\"ann\"}", "twice" },
    { "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", "{\"sub\":\"ann\"}", "critical" },
    { "[\"HS256\"]", "{\"sub\":\"ann\"}", "no token" },
    { HEADER " x", "{\"sub\":\"ann\"}", "no token" },
    { HEADER, "{\"sub\":\"ann\",\"sub\":\"eve\"}", "twice" },
    { HEADER, "{\"sub\":\"ann\\u0000eve\"}", "no token" },
    { HEADER, "{\"sub\":\"ann\\neve\"}", "control" },
    { HEADER, "{\"sub\":\"\"}", "empty" },
    { HEADER, "{\"sub\":null}", "no id" },
    { HEADER, "{\"sub\":1.5}", "no id" },
    { HEADER, "{\"Sub\":\"ann\"}", "no id" },
    { HEADER, "{}", "no id" },
    { HEADER, "{\"sub\":\"ann\",\"exp\":1300818970}", "expired" },
    { HEADER, "{\"sub\":\"ann\",\"exp\":1300818971}", NULL },
    { HEADER, "{\"sub\":\"ann\",\"exp\":\"1300819380\"}", "exp is no time" },
    { HEADER, "{\"sub\":\"ann\",\"exp\":1e999}", "exp is no time" },
    { HEADER, "{\"sub\":\"ann\",\"exp\":-1}", "exp is no time" },
    { HEADER, "{\"sub\":\"ann\",\"exp\":null}", "exp is no time" },
    { HEADER, "{\"sub\":\"ann\",\"nbf\":1300819030}", NULL },
    { HEADER, "{\"sub\":\"ann\",\"nbf\":1300819031}", "not valid yet" },
    { HEADER, "{\"sub\":\"ann\",\"iat\":1300819031}", "future" },
    { HEADER, "{\"sub\":\"ann\",\"aud\":\"us\"}", "none is configured" },
};

static const struct {
    const char *payload;
    bool is_good;
} named_tokens[] = {
    { "{\"sub\":\"ann\",\"iss\":\"me\",\"aud\":\"us\"}", true },
    { "{\"sub\":\"ann\",\"iss\":\"me\",\"aud\":[\"them\",\"us\"]}", true },
    { "{\"sub\":\"ann\",\"iss\":\"me\",\"aud\":[\"them\"]}", false },
    { "{\"sub\":\"ann\",\"iss\":\"me\",\"aud\":[]}", false },
    { "{\"sub\":\"ann\",\"iss\":\"me\",\"aud\":\"us \"}", false },
    { "{\"sub\":\"ann\",\"iss\":\"me\"}", false },
    { "{\"sub\":\"ann\",\"aud\":\"us\"}", false },
    { "{\"sub\":\"ann\",\"iss\":[\"me\"],\"aud\":\"us\"}", false },
};

#define HASH                                        \
    "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$" \
    "qrn7ZhlST3jO5Auifbc3xCWPabXREAX1HDl5f9rqSnA"

static const struct {
    const char *text;
    const char *mistakes; /* "line:column " of each */
} files[] = {
    { "", "" },
    { "\n  \n# nobody\n", "" },
    { "ann:" HASH "\nbob:" HASH " role=admin\r\n", "" },
    { "ann", "1:4 " },
    { "ann:\n", "1:5 " },
    { ":" HASH, "1:1 " },
    { " ann:" HASH, "1:1 " },
    { "an n:" HASH, "1:3 " },
    { "ann:secret\nbob:\n", "1:5 2:5 " },
    { "ann:" HASH " admin", "1:94 " },
    { "ann:" HASH " =admin", "1:94 " },
    { "ann:" HASH " a=b&c=d", "1:94 " },
    { "ann:" HASH " a=%zz", "1:94 " },
    { "ann:" HASH " a=%00", "1:94 " },
    { "ann:" HASH "!", "1:5 " },
    { "ann:" HASH "\nbob:" HASH "\nann:" HASH "\n", "3:1 " },
};

static struct tp_str
text_of(const char *text)
{
    return (struct tp_str){ text, strlen(text) };
}

static struct jwt_rules
rules_of(enum jwt_algorithm algorithm, const char *key, const char *id_claim)
{
    struct jwt_rules rules = {
        .algorithm = algorithm,
        .issuer = TP_STR(""),
        .audience = TP_STR(""),
        .id_claim = text_of(id_claim),
        .leeway = { 30000 },
    };

    ck_assert_ptr_null(jwt_key_read(algorithm, text_of(key), &rules.key));
    return rules;
}

static const char *
check(const struct jwt_rules *rules, const char *token, struct jwt_facts *facts)
{
    return jwt_check(rules, text_of(token), NOW_S * 1000, facts);
}

/* Signed with hs256_key. */
static void
make_token(const char *header, const char *payload, char token[TOKEN_ROOM])
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned sum_len = 0;
    size_t len = tp_base64_write(text_of(header), TP_BASE64_URL, token);

    token[len++] = '.';
    len += tp_base64_write(text_of(payload), TP_BASE64_URL, token + len);
    HMAC(EVP_sha256(), hs256_key, (int) strlen(hs256_key), (uint8_t *) token, len, sum, &sum_len);
    token[len++] = '.';
    len += tp_base64_write((struct tp_str){ (char *) sum, sum_len }, TP_BASE64_URL, token + len);
    token[len] = '\0';
}

START_TEST(knows_the_examples_of_the_rfcs)
{
    struct jwt_rules rules = rules_of(good[_i].algorithm, good[_i].key, good[_i].id_claim);
    const char *id = _i == 3 ? "ann" : "joe";
    struct jwt_facts facts;

    ck_assert_ptr_null(check(&rules, good[_i].token, &facts));
    ck_assert_uint_eq(3, facts.id_len);
    ck_assert_mem_eq(id, facts.id, 3);
    ck_assert_int_eq(1300819380, facts.expires_s);
    ck_assert_ptr_nonnull(
        jwt_check(&rules, text_of(good[_i].token), INT64_C(1300819411) * 1000, &facts));
    jwt_key_free(&rules.key);
}
END_TEST

/* One letter of it is another one, wherever. */
START_TEST(refuses_what_was_changed)
{
    struct jwt_rules rules = rules_of(good[_i].algorithm, good[_i].key, good[_i].id_claim);
    struct jwt_facts facts;
    char token[TOKEN_ROOM];
    size_t len = strlen(good[_i].token);

    for (size_t at = 0; at<len; at += len> 400 ? 7 : 1) {
        memcpy(token, good[_i].token, len + 1);
        token[at] = token[at] == 'A' ? 'B' : 'A';
        ck_assert_ptr_nonnull(check(&rules, token, &facts));
    }
    memcpy(token, good[_i].token, len + 1);
    token[len - 1] = '\0';
    ck_assert_ptr_nonnull(check(&rules, token, &facts));
    snprintf(token, sizeof(token), "%s.", good[_i].token);
    ck_assert_ptr_nonnull(check(&rules, token, &facts));
    snprintf(token, sizeof(token), "%s=", good[_i].token);
    ck_assert_ptr_nonnull(check(&rules, token, &facts));
    jwt_key_free(&rules.key);
}
END_TEST

/* A public key is no secret, and a token of one algorithm is none of another. */
START_TEST(confuses_no_algorithms)
{
    struct jwt_facts facts;
    struct tp_str pem = text_of(rs256_key);
    struct evp_pkey_st *key;

    ck_assert_ptr_nonnull(jwt_key_read(JWT_HS256, pem, &key));
    ck_assert_ptr_nonnull(jwt_key_read(JWT_ES256, pem, &key));
    ck_assert_ptr_nonnull(jwt_key_read(JWT_EDDSA, pem, &key));
    ck_assert_ptr_nonnull(jwt_key_read(JWT_RS256, text_of(es256_key), &key));
    ck_assert_ptr_nonnull(jwt_key_read(JWT_RS256, text_of(hs256_key), &key));
    ck_assert_ptr_nonnull(jwt_key_read(JWT_HS256, TP_STR("short"), &key));
    for (size_t rules_at = 0; rules_at < TP_COUNT_OF(good); rules_at++) {
        struct jwt_rules rules =
            rules_of(good[rules_at].algorithm, good[rules_at].key, good[rules_at].id_claim);

        for (size_t i = 0; i < TP_COUNT_OF(good); i++) {
            ck_assert((check(&rules, good[i].token, &facts) == NULL) == (i == rules_at));
        }
        jwt_key_free(&rules.key);
    }
}
END_TEST

START_TEST(weighs_what_is_said)
{
    struct jwt_rules rules = rules_of(JWT_HS256, hs256_key, "sub");
    struct jwt_facts facts;
    char token[TOKEN_ROOM];

    make_token(signed_tokens[_i].header, signed_tokens[_i].payload, token);
    const char *why = check(&rules, token, &facts);

    if (signed_tokens[_i].why == NULL) {
        ck_assert_msg(why == NULL, "%s: %s", signed_tokens[_i].payload, why);
    } else {
        ck_assert_msg(why != NULL && strstr(why, signed_tokens[_i].why) != NULL, "%s %s: %s",
                      signed_tokens[_i].header, signed_tokens[_i].payload, why);
    }
    jwt_key_free(&rules.key);
}
END_TEST

START_TEST(wants_issuer_and_audience)
{
    struct jwt_rules rules = rules_of(JWT_HS256, hs256_key, "sub");
    struct jwt_facts facts;
    char token[TOKEN_ROOM];

    rules.issuer = TP_STR("me");
    rules.audience = TP_STR("us");
    make_token(HEADER, named_tokens[_i].payload, token);
    ck_assert_msg((check(&rules, token, &facts) == NULL) == named_tokens[_i].is_good, "%s",
                  named_tokens[_i].payload);
    jwt_key_free(&rules.key);
}
END_TEST

START_TEST(claims_become_pairs)
{
    struct jwt_rules rules = rules_of(JWT_HS256, hs256_key, "name");
    struct jwt_facts facts;
    char token[TOKEN_ROOM];

    make_token(HEADER,
               "{\"name\":\"Ann & Lee\",\"role\":[\"admin\",\"a=b\",3],\"age\":30,\"ok\":true,"
               "\"deep\":{\"role\":\"root\"},\"none\":null}",
               token);
    ck_assert_ptr_null(check(&rules, token, &facts));
    facts.claims[facts.claims_len] = '\0';
    ck_assert_str_eq("name=Ann%20%26%20Lee&role=admin&role=a%3Db&age=30&ok=true", facts.claims);
    jwt_key_free(&rules.key);
}
END_TEST

/* ---- Files of tokens ---- */

static void
note_mistake(void *owner, size_t line, size_t column, const char *why)
{
    char *mistakes = owner;

    ck_assert_ptr_nonnull(why);
    sprintf(mistakes + strlen(mistakes), "%zu:%zu ", line, column);
}

START_TEST(reads_files_of_tokens)
{
    char mistakes[1024] = "";
    struct tokens *tokens;
    enum tp_result result = tokens_read(text_of(files[_i].text), note_mistake, mistakes, &tokens);

    ck_assert_str_eq(files[_i].mistakes, mistakes);
    ck_assert_int_eq(files[_i].mistakes[0] == '\0' ? TP_OK : TP_INVALID, result);
    ck_assert((tokens != NULL) == (result == TP_OK));
    tokens_free(&tokens);
}
END_TEST

START_TEST(finds_who_is_in_a_file)
{
    static const char claims[] = "role=cook&team=a%20b";
    char mistakes[1024] = "";
    struct tokens *tokens;
    struct tokens *others;

    ck_assert_int_eq(TP_OK, tokens_read(TP_STR("bob:" HASH " role=cook  team=a%20b\nann:" HASH),
                                        note_mistake, mistakes, &tokens));
    ck_assert_int_eq(
        TP_OK, tokens_read(TP_STR("bob:" HASH "\nann:" HASH), note_mistake, mistakes, &others));
    const struct token *bob = tokens_find(tokens, TP_STR("bob"));

    ck_assert_ptr_nonnull(bob);
    ck_assert_uint_eq(strlen(claims), bob->claims.len);
    ck_assert_mem_eq(claims, bob->claims.data, bob->claims.len);
    ck_assert_ptr_null(tokens_find(tokens, TP_STR("bo")));
    ck_assert_ptr_null(tokens_find(tokens, TP_STR("")));
    ck_assert_mem_ne(bob->mark, tokens_find(others, TP_STR("bob"))->mark, sizeof(bob->mark));
    ck_assert_mem_eq(tokens_find(tokens, TP_STR("ann"))->mark,
                     tokens_find(others, TP_STR("ann"))->mark, sizeof(bob->mark));
    tokens_free(&tokens);
    tokens_free(&others);
}
END_TEST

/* So that who is not there costs the same in all workers. */
START_TEST(knows_the_hardest_hash_of_a_file)
{
    static const char easy[] = "ann:$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
                               "qrn7ZhlST3jO5Auifbc3xCWPabXREAX1HDl5f9rqSnA\n";
    static const char hard[] = "bob:$scrypt$ln=11,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
                               "qrn7ZhlST3jO5Auifbc3xCWPabXREAX1HDl5f9rqSnA\n";
    char text[512];
    char mistakes[1024] = "";
    struct tokens *tokens;

    snprintf(text, sizeof(text), "%s%scid%s", easy, hard, easy + 3);
    ck_assert_int_eq(TP_OK, tokens_read(text_of(text), note_mistake, mistakes, &tokens));
    ck_assert_ptr_eq(tokens_find(tokens, TP_STR("bob")), tokens->hardest);
    ck_assert_ptr_eq(tokens->hardest, tokens_harder(NULL, tokens->hardest));
    tokens_free(&tokens);
    ck_assert_int_eq(TP_OK, tokens_read(TP_STR(""), note_mistake, mistakes, &tokens));
    ck_assert_ptr_null(tokens->hardest);
    tokens_free(&tokens);
}
END_TEST

Suite *
tp_suite_auth_auth(void)
{
    Suite *suite = suite_create("auth/auth");
    TCase *tests = tcase_create("auth");

    tcase_add_loop_test(tests, knows_the_examples_of_the_rfcs, 0, TP_COUNT_OF(good));
    tcase_add_loop_test(tests, refuses_what_was_changed, 0, TP_COUNT_OF(good));
    tcase_add_test(tests, confuses_no_algorithms);
    tcase_add_loop_test(tests, weighs_what_is_said, 0, TP_COUNT_OF(signed_tokens));
    tcase_add_loop_test(tests, wants_issuer_and_audience, 0, TP_COUNT_OF(named_tokens));
    tcase_add_test(tests, claims_become_pairs);
    tcase_add_loop_test(tests, reads_files_of_tokens, 0, TP_COUNT_OF(files));
    tcase_add_test(tests, finds_who_is_in_a_file);
    tcase_add_test(tests, knows_the_hardest_hash_of_a_file);
    suite_add_tcase(suite, tests);
    return suite;
}
