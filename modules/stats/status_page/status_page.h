/*
 * status_page.h - the parts of the module status_page: the page itself, the sessions with the most
 * traffic, and what decides between them.
 */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include <teleport/module.h>

/* Files of this folder, which make puts into the program. */
extern const uint8_t status_page_page_html[];
extern const size_t status_page_page_html_len;
extern const uint8_t status_page_page_css[];
extern const size_t status_page_page_css_len;
extern const uint8_t status_page_page_js[];
extern const size_t status_page_page_js_len;

struct status_page_conf {
    int64_t session_count_max; /* that are looked at for the table of sessions */
};

/* Answers with the page, whose one file has style and script in it. */
void page_reply(struct tp_exchange *exchange);

/* Answers, later, with the sessions that have the most of what the query says. */
void sessions_reply(struct tp_exchange *exchange, const struct status_page_conf *conf);

#endif
