/*
 * os/fault.h - places where tests make a process fail, hang or die.
 *
 * The environment variable TELEPORT_FAULTS names a file with lines of
 *
 *     POINT ACTION [once]
 *
 * where ACTION is `die` (the process gets SIGKILL, as from outside), `fail` (the
 * call returns TP_SYSTEM with errno EIO) or `hang` (it never returns).  With
 * `once`, one process only is struck: the one that creates the file POINT.claimed
 * in the same directory; where it cannot be created nobody is.  A test removes
 * that file to arm the point again.  Empty lines and lines beginning with `#`
 * say nothing; the first line for a point counts.
 *
 * The file is read anew at each call, so a test can arm a point while the server
 * runs.  Unset, a call costs one getenv(): for cold paths only.
 */
#ifndef TP_OS_FAULT_H
#define TP_OS_FAULT_H

#include <teleport/base.h>

/* Stops here if the test wants it; `point` is of letters, digits and '-'. */
enum tp_result tp__fault(const char *point) TP_MUST_CHECK;

#endif
