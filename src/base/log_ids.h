/*
 * base/log_ids.h - every id the server logs with, and what it means: the source
 * of docs/reference/logs.md.  A module's ids stand in its own descriptor.
 */
#ifndef TP_BASE_LOG_IDS_H
#define TP_BASE_LOG_IDS_H

/* clang-format off */
#define TP_LOG_ID_TABLE(ROW)                                                                       \
    ROW("accept-failed", "A connection could not be accepted; the listener pauses briefly if the reason will not go away by itself.")
/* clang-format on */

#endif
