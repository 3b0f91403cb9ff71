/*
 * md5.c - the filter that appends the MD5 sum of what it is given, and looks whether it fits.
 *
 * It finds what the way has changed, and nothing that somebody has changed on purpose: whoever
 * changes the bytes can change the sum.  Later Teleport protocols have it, so it is here.
 *
 * Runs in: the loop's thread.  Owns: one context of libcrypto's for each worker.
 */
#include <teleport/module.h>

#include <openssl/evp.h>

#include <string.h>

enum {
    MD5_SUM_BYTES = 16,
};

struct md5_state {
    EVP_MD_CTX *context; /* made with the first sum */
};

static void md5_fini(void *state);
static enum tp_result md5_undo(void *state, const struct tp_chain *filtered, struct tp_size limit,
                               struct tp_buf_pool *pool, struct tp_chain *plain);
static enum tp_result md5_apply(void *state, int level, const struct tp_chain *plain,
                                struct tp_buf_pool *pool, struct tp_chain *filtered);
static enum tp_result md5_sum(struct md5_state *md5, const struct tp_chain *chain, size_t len,
                              uint8_t *sum);

static const struct tp_filter md5_filter = {
    .id = TP_FILTER_MD5,
    .name = "md5",
    .brief = "An MD5 sum behind the bytes.",
    .state_size = sizeof(struct md5_state),
    .fini = md5_fini,
    .undo = md5_undo,
    .apply = md5_apply,
};

const struct tp_module tp_module_md5 = {
    .name = "md5",
    .brief = "Filter that appends MD5 sums, and checks them.",
    .run_after = "",
    .filter = &md5_filter,
};

static void
md5_fini(void *state)
{
    struct md5_state *md5 = state;

    EVP_MD_CTX_free(md5->context);
    md5->context = NULL;
}

/* Not even nothing comes without a sum. */
static enum tp_result
md5_undo(void *state, const struct tp_chain *filtered, struct tp_size limit,
         struct tp_buf_pool *pool, struct tp_chain *plain)
{
    uint8_t wanted[MD5_SUM_BYTES];
    uint8_t found[MD5_SUM_BYTES];

    (void) pool;
    if (filtered->len < MD5_SUM_BYTES) {
        return TP_INVALID;
    }
    size_t len = filtered->len - MD5_SUM_BYTES;

    if (len > limit.bytes) {
        return TP_TOO_LARGE;
    }
    enum tp_result result = md5_sum(state, filtered, len, found);

    if (result != TP_OK) {
        return result;
    }
    tp_chain_copy(filtered, len, sizeof(wanted), wanted);
    if (memcmp(wanted, found, sizeof(wanted)) != 0) {
        return TP_INVALID;
    }
    return tp_chain_share_part(plain, filtered, 0, len);
}

static enum tp_result
md5_apply(void *state, int level, const struct tp_chain *plain, struct tp_buf_pool *pool,
          struct tp_chain *filtered)
{
    uint8_t sum[MD5_SUM_BYTES];

    if (level != 0) {
        return TP_INVALID;
    }
    enum tp_result result = md5_sum(state, plain, plain->len, sum);

    if (result == TP_OK) {
        result = tp_chain_share(filtered, plain);
    }
    if (result == TP_OK) {
        result = tp_chain_append_copy(filtered, pool,
                                      (struct tp_str){ (const char *) sum, sizeof(sum) });
    }
    if (result != TP_OK) {
        tp_chain_clear(filtered);
    }
    return result;
}

/* Of the first `len` bytes.  TP_INVALID: libcrypto knows no MD5, as where a policy forbids it. */
static enum tp_result
md5_sum(struct md5_state *md5, const struct tp_chain *chain, size_t len, uint8_t *sum)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain, &count);

    if (md5->context == NULL) {
        md5->context = EVP_MD_CTX_new();
        if (md5->context == NULL) {
            return TP_NO_MEMORY;
        }
    }
    if (EVP_DigestInit_ex(md5->context, EVP_md5(), NULL) != 1) {
        return TP_INVALID;
    }
    for (size_t i = 0; i < count && len > 0; i++) {
        size_t part = slices[i].len < len ? slices[i].len : len;

        if (EVP_DigestUpdate(md5->context, slices[i].data, part) != 1) {
            return TP_INVALID;
        }
        len -= part;
    }
    return EVP_DigestFinal_ex(md5->context, sum, NULL) == 1 ? TP_OK : TP_INVALID;
}
