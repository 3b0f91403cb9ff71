/*
 * base/result.h - from errno to a result.
 */
#ifndef TP_BASE_RESULT_H
#define TP_BASE_RESULT_H

#include <teleport/base.h>

/* The result that stands for the current errno, which stays as it is. */
enum tp_result tp__result_from_errno(void);

/* For messages: the system's words when errno says more than `result`, else its sentence. */
const char *tp__result_text(enum tp_result result);

#endif
