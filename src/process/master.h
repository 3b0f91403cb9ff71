/*
 * process/master.h - the master: opens, forks, watches, steers; serves no client.
 */
#ifndef TP_PROCESS_MASTER_H
#define TP_PROCESS_MASTER_H

#include "process/program.h"

/*
 * Runs the server until it is told to end; returns the exit code of the process.  In
 * a worker it returns too, with the worker's exit code.
 */
int tp__master_run(const struct tp_program *program);

#endif
