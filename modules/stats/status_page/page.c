/*
 * page.c - puts the page together, and says what it may do.
 *
 * Its policy lets nothing run but the script and the style that it has in it, known by their sums,
 * and nothing be asked but the server it came from: what strangers have sent, and is shown, cannot
 * become more than text.
 *
 * Runs in: worker.
 */
#include "status_page.h"

#include <teleport/writer.h>

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum {
    PAGE_SUM_BYTES = 32,                                  /* of SHA-256 */
    PAGE_SUM_TEXT_MAX = (PAGE_SUM_BYTES + 2) / 3 * 4 + 1, /* in base64, terminated */
    PAGE_POLICY_MAX = 512,
};

static const struct tp_str page_headers[][2] = {
    { { "Content-Type", 12 }, { "text/html; charset=utf-8", 24 } },
    { { "X-Content-Type-Options", 22 }, { "nosniff", 7 } },
    { { "Referrer-Policy", 15 }, { "no-referrer", 11 } },
};

static enum tp_result page_describe(struct tp_exchange *exchange);
static void page_sum(struct tp_str text, char *sum);
static void page_write(struct tp_writer *writer);
static struct tp_str page_cut_before(struct tp_str *rest, struct tp_str mark);
static struct tp_str page_html(void);
static struct tp_str page_style(void);
static struct tp_str page_script(void);

void
page_reply(struct tp_exchange *exchange)
{
    struct tp_chain body = { 0 };
    struct tp_writer writer = { .pool = tp_exchange_buf_pool(exchange), .to = &body };

    page_write(&writer);
    enum tp_result result = tp_writer_end(&writer);

    if (result == TP_OK) {
        result = page_describe(exchange);
    }
    if (result == TP_OK) {
        tp_exchange_reply(exchange, &body, TP_CODEC_PLAIN);
    } else {
        tp_exchange_refuse_result(exchange, result);
    }
    tp_chain_clear(&body);
}

static enum tp_result
page_describe(struct tp_exchange *exchange)
{
    char style_sum[PAGE_SUM_TEXT_MAX];
    char script_sum[PAGE_SUM_TEXT_MAX];
    char policy[PAGE_POLICY_MAX];
    enum tp_result result = TP_OK;

    for (size_t i = 0; i < TP_COUNT_OF(page_headers) && result == TP_OK; i++) {
        result = tp_exchange_add_metadata(exchange, page_headers[i][0], page_headers[i][1]);
    }
    page_sum(page_style(), style_sum);
    page_sum(page_script(), script_sum);
    snprintf(policy, sizeof(policy),
             "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
             "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'",
             script_sum, style_sum);
    if (result == TP_OK) {
        result = tp_exchange_add_metadata(exchange, TP_STR("Content-Security-Policy"),
                                          (struct tp_str){ policy, strlen(policy) });
    }
    return result;
}

static void
page_sum(struct tp_str text, char *sum)
{
    uint8_t digest[PAGE_SUM_BYTES] = { 0 };

    /* Without a sum, which would be for want of memory, the page stays bare. */
    (void) EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL);
    EVP_EncodeBlock((uint8_t *) sum, digest, PAGE_SUM_BYTES);
}

static void
page_write(struct tp_writer *writer)
{
    struct tp_str rest = page_html();

    tp_writer_put(writer, page_cut_before(&rest, TP_STR("</head>")));
    tp_writer_put(writer, TP_STR("<style>"));
    tp_writer_put(writer, page_style());
    tp_writer_put(writer, TP_STR("</style>\n"));
    tp_writer_put(writer, page_cut_before(&rest, TP_STR("</body>")));
    tp_writer_put(writer, TP_STR("<script>"));
    tp_writer_put(writer, page_script());
    tp_writer_put(writer, TP_STR("</script>\n"));
    tp_writer_put(writer, rest);
}

/* Takes what stands before the mark, which has to be there, off `rest`. */
static struct tp_str
page_cut_before(struct tp_str *rest, struct tp_str mark)
{
    size_t len = 0;

    while (memcmp(rest->data + len, mark.data, mark.len) != 0) {
        len++;
        TP_ASSERT(len + mark.len <= rest->len);
    }
    struct tp_str before = { rest->data, len };

    *rest = (struct tp_str){ rest->data + len, rest->len - len };
    return before;
}

static struct tp_str
page_html(void)
{
    return (struct tp_str){ (const char *) status_page_page_html, status_page_page_html_len };
}

static struct tp_str
page_style(void)
{
    return (struct tp_str){ (const char *) status_page_page_css, status_page_page_css_len };
}

static struct tp_str
page_script(void)
{
    return (struct tp_str){ (const char *) status_page_page_js, status_page_page_js_len };
}
