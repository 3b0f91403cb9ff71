/*
 * base/result.h - from errno to a result.
 */
#ifndef TP_BASE_RESULT_H
#define TP_BASE_RESULT_H

#include <teleport/base.h>

/* The result that stands for the current errno, which stays as it is. */
enum tp_result tp__result_from_errno(void);

#endif
