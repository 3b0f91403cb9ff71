/*
 * base/log_ids.h - every id the server logs with, and what it means: the source
 * of docs/reference/logs.md.  A module's ids stand in its own descriptor.
 */
#ifndef TP_BASE_LOG_IDS_H
#define TP_BASE_LOG_IDS_H

/* ROW(id, sentence), in the order of the alphabet. */
/* clang-format off */
#define TP_LOG_ID_TABLE(ROW) \
    ROW("accept-failed", \
        "A connection could not be accepted; the listener pauses for half a second.") \
    ROW("access-line-lost", \
        "Memory ran out for the buffer of an access log; a line of it was not written.") \
    ROW("announcement-refused", \
        "A registry has not taken a service that a program announces; the status says why.") \
    ROW("answer-refused", \
        "A worker could not answer whether it still turns: its queue to the asking worker " \
        "is full.") \
    ROW("backlog-not-set", "The accept queue of a listening socket could not be made as long as its backlog.") \
    ROW("bus-message-unknown", \
        "A worker sent a message of an unknown kind; two versions may be running.") \
    ROW("channel-failed", \
        "A worker could not send a message to the master.") \
    ROW("command", \
        "A command came over the control socket.") \
    ROW("descriptor-limit", \
        "The limit of open descriptors could not be set as worker_rlimit_nofile says.") \
    ROW("descriptor-lost", \
        "A descriptor that the master sent could not be kept; this worker will refuse the " \
        "new configuration.") \
    ROW("directory-full", \
        "session_directory has no room for a session: it can have no id, and other workers do " \
        "not reach it.") \
    ROW("exchange-not-restored", \
        "An exchange came with its session from another process, but its handler cannot go on " \
        "with it here; it was answered with status 503.") \
    ROW("id-not-restored", \
        "A session that came from another process has lost its id, for the reason given.") \
    ROW("hook-cannot-wait", \
        "A module's hook has said later at a point that cannot wait for it, which is a mistake in " \
        "the module; the process ends.") \
    ROW("hook-refusal-ignored", \
        "A hook has refused at a point where it may only watch; nothing comes of it.") \
    ROW("hook-refused", \
        "A hook has refused a session or an exchange.") \
    ROW("input-refused", \
        "A session sent something that cannot be taken, for the reason given; it is closed.") \
    ROW("lease-not-had", \
        "A module's job that one worker does for all could not be had by this one, for the reason " \
        "given: full means that there are too many such jobs.  It goes on trying.") \
    ROW("lease-not-released", \
        "A dead worker's leases could not be given back; they run out by themselves.") \
    ROW("link-failed", \
        "Two workers could not be connected with each other.") \
    ROW("link-gone", \
        "The connection between two workers ended; messages still queued were dropped.") \
    ROW("log-reopen-failed", \
        "A log could not be opened anew; its old file is still written to.") \
    ROW("master-gone", \
        "The master has ended without a word; this worker stops gracefully.") \
    ROW("meters-full", \
        "There is no room for the counts of more rules, zones or services: those named are not " \
        "counted until the server is restarted.") \
    ROW("mode-not-set", "The file of a Unix socket could not be given the mode that the configuration says.") \
    ROW("module-not-started", \
        "A module could not begin its work in a worker, which ends.") \
    ROW("packet-received", \
        "A packet came; log_body shows it.") \
    ROW("packet-sent", \
        "A packet is sent; log_body shows it.") \
    ROW("peer-option-wrong", \
        "A program asked the library for a peer with an option that cannot be what it is; the " \
        "option is named.") \
    ROW("pass-failed", \
        "What was to be passed on could not be, or was not answered, for the reason named; of one " \
        "upstream that is said once a second, with how many were not logged since.") \
    ROW("reload-failed", \
        "A reload failed, for the reason given; the configuration before it stays in force.") \
    ROW("reloaded", \
        "A new configuration is in force in all workers.") \
    ROW("respawn-delayed", \
        "A worker keeps dying soon after its start; its replacement waits.") \
    ROW("revert-failed", \
        "A worker could not go back to the configuration before a failed reload; restart it.") \
    ROW("session-closed", \
        "A session ended, for the reason named.") \
    ROW("session-dialed", \
        "A session was connected to the address named.") \
    ROW("session-lost", \
        "A dialed session has lost its connection, for the reason named; it is dialed again.") \
    ROW("credentials-not-read", \
        "The credentials that a dialed session is to present cannot be had, for the reason named; " \
        "see redial.") \
    ROW("credentials-refused", \
        "The other end did not take the credentials of a dialed session, and has said so with the " \
        "status named; see redial.") \
    ROW("dial-failed", \
        "A session could not be connected, for the reason named; see redial.") \
    ROW("dial-not-begun", \
        "What the configuration wants dialed could not be begun, for the reason named.") \
    ROW("upstream-down", \
        "So many PULLs to a server of an upstream have failed that it is left alone for a while.") \
    ROW("upstream-ill", \
        "A server of an upstream has failed its health checks, and is left alone.") \
    ROW("upstream-not-told", \
        "What a worker has found out about a server of an upstream could not be told to others.") \
    ROW("upstream-well", \
        "A server of an upstream passes its health checks again.") \
    ROW("upstream-no-memory", \
        "Memory was used up while an upstream got other servers: hash finds none for now.") \
    ROW("upstream-up", \
        "A server of an upstream that was left alone has answered again.") \
    ROW("dials-gained", \
        "This worker dials what the configuration says, for all workers.") \
    ROW("dials-lost", \
        "This worker was slow to renew its lease: another dials what the configuration says.") \
    ROW("closing-untold", \
        "A session is closed without the other end being told why: its protocol cannot say it, or memory is short.") \
    ROW("session-not-restored", \
        "A session came from another process and cannot go on here, for the reason given; its " \
        "connection was closed.") \
    ROW("session-not-saved", \
        "A session was to go on in another process and cannot be taken along, for the reason given.") \
    ROW("session-proxied", \
        "A connection came through a proxy that has said for whom.") \
    ROW("sessions-moved", \
        "All sessions of a worker have taken a new configuration over.") \
    ROW("shutdown-timeout", \
        "A graceful stop took longer than worker_shutdown_timeout; what was left is closed.") \
    ROW("signal", \
        "A signal came.") \
    ROW("slow-consumer", \
        "A session takes more slowly what is sent to it than it comes: its send_queue was full, and " \
        "what was done is named, with how often since it was last said. One such line in 10 s for " \
        "a session, and one when it ends.") \
    ROW("slow-exchange", \
        "An exchange took slow_threshold or longer.") \
    ROW("spawn-failed", \
        "A worker could not be started; it is tried again in a second.") \
    ROW("started", \
        "The server has started.") \
    ROW("stopped", \
        "The server has ended.") \
    ROW("table-changed", \
        "A table of a module has another size or kind of entries now: what was in it was copied, " \
        "or it is begun anew.") \
    ROW("watch-gained", \
        "This worker now watches whether the others still turn.") \
    ROW("watch-lost", \
        "This worker no longer watches the others.") \
    ROW("worker-answers", \
        "A worker that was silent answers again.") \
    ROW("worker-crashed", \
        "A fault ended a worker: the signal, what it was serving, and who called whom, each " \
        "below the other.") \
    ROW("worker-died", \
        "A worker ended unasked; it is replaced.") \
    ROW("worker-killed", \
        "A worker had not ended after worker_stop_timeout, or when a fast stop was asked for a " \
        "second time, and was killed.") \
    ROW("worker-late", \
        "A worker has not said in time what became of something that was sent to a session of " \
        "its; whoever sent it is told that it is not known.") \
    ROW("worker-silent", \
        "A worker is alive but has not answered for the time of worker_watch: it hangs or " \
        "waits for something.") \
    ROW("worker-start-failed", \
        "A worker could not start, at the step named.") \
    ROW("worker-started", \
        "A worker serves.") \
    ROW("worker-stopped", \
        "A worker has ended as it was told.")
/* clang-format on */

#endif
