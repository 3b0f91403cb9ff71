"""How results are shown: lines on the terminal while they come, a page in the end."""
import os
import platform
import subprocess
import time

from servers import LOADED_ON, MEASURED_ON

INTRODUCTION = """# Performance

Measured by `make bench` on {date}, commit {commit}: {system}, {processors}.

What counts here is the **ratio**. Beside each figure stands a bare echo (`tests/bench/rawecho.c`)
that was measured in the same minutes: one epoll loop that writes back what it reads, without
looking at it. No server on epoll can do with less, so the ratio is what Teleport adds: framing,
headers, routing, an exchange, the reply. Absolute figures are of a small virtual machine whose
clock and neighbours are noisy. {sharing}

- One worker against one process; Teleport 2.5 with protobuf headers; the bare echo gets the same
  bytes. `echo` answers with the body, `sum` adds a JSON array of numbers. The access log is
  {access_log}.
- The load is `tp bench`, a program with libteleport: each session keeps `depth` PULLs in flight, and
  latency is from a PULL's sending to its answer. From the bare echo they come back as they are, so
  there they are PUSHes (`--push`), which differ in one byte. What the load costs stands below.
- Server CPU is what the worker ran, user and system, from the kernel's own count of nanoseconds.
- Each row: {rounds} rounds of {seconds} s after 0.3 s of warming up, the two servers in turn;
  medians of the rounds. The ratio is the median of the rounds' own ratios.
- Rows with more than 64 MB in flight are left out: they would measure this machine's memory.
- Where much is in flight, the bare echo spins while a socket takes no more; Teleport waits for it.
  Ratios of 64 KB bodies at depth 100 flatter Teleport for that reason.
"""

SHARING = """The server that is measured has a processor to itself; the load, and
whatever it passes on to, share the rest."""
ONE_PROCESSOR = "Servers and load share the only processor there is."

TABLE_HEAD = """
## Pulls

| route | body | sessions | depth | pulls/s | p50 µs | p99 µs | p99.9 µs | CPU µs/pull | bare echo: CPU µs | pulls/s | p99 µs | CPU ratio |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def introduction(rounds, seconds, has_access_log):
    return INTRODUCTION.format(
        date=time.strftime("%Y-%m-%d"), commit=commit(),
        system=f"{platform.system()} {platform.release().split('-')[0]} on {platform.machine()}",
        processors=f"{os.cpu_count()} shared processors", rounds=rounds, seconds=seconds,
        sharing=SHARING if MEASURED_ON != LOADED_ON else ONE_PROCESSOR,
        access_log="on: a line for each exchange" if has_access_log else "not built in")


def commit():
    """The last one, and whether the server differs from it."""
    try:
        name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        changed = subprocess.run(["git", "status", "--porcelain", "src", "modules"], check=True,
                                 stdout=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.decode().strip() + (" with changes" if changed.stdout else "")


def size_text(size):
    return f"{size // 1024} KB" if size >= 1024 else f"{size} B"


def row_text(row, found):
    ours, bare = found["teleport"], found["bare echo"]
    cells = [row.route, size_text(row.size), f"{row.sessions:,}", row.depth,
             f"{ours['pulls_per_second']:,.0f}", f"{ours['p50_us']:,.0f}", f"{ours['p99_us']:,.0f}",
             f"{ours['p999_us']:,.0f}", f"{ours['server_cpu_us_per_pull']:.2f}",
             f"{bare['server_cpu_us_per_pull']:.2f}", f"{bare['pulls_per_second']:,.0f}",
             f"{bare['p99_us']:,.0f}", f"**{found['ratio']:.2f}**"]
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def calls_text(rows):
    lines = ["\n## System calls per pull\n\n",
             "Echo of 581 B, counted by strace, which slows the server so that more is read "
             "at once.\n\n",
             "| sessions | depth | teleport | bare echo |\n|--:|--:|--:|--:|\n"]
    lines += [f"| {row.sessions:,} | {row.depth} | {ours:.2f} | {bare:.2f} |\n"
              for row, ours, bare in rows]
    return "".join(lines)


def own_cost_text(rows):
    lines = ["\n## The load's own cost\n\n",
             "`tp bench` beside the plainest loop that can be written for it (`tests/bench/load.c`: "
             "one epoll loop, PULLs encoded beforehand, headers hardly looked at), against the same "
             "server; echo of 16 B. Processor time is the client's, starting and connecting "
             "included.\n\n",
             "| sessions | depth | plain loop: CPU µs/pull | pulls/s | tp bench: CPU µs/pull | "
             "pulls/s |\n|--:|--:|--:|--:|--:|--:|\n"]
    for row, found in rows:
        plain, ours = found["plain loop"], found["tp bench"]
        lines.append(f"| {row.sessions:,} | {row.depth} | {plain[0]:.2f} | {plain[1]:,.0f} | "
                     f"{ours[0]:.2f} | {ours[1]:,.0f} |\n")
    return "".join(lines)


def protocols_text(row, rate, costs):
    first = next(iter(costs.values()))
    lines = ["\n## Protocols\n\n",
             f"The worker's processor time per PULL over {row.sessions:,} sessions, {rate:,} pulls "
             f"a second; {row.route} of {row.size:,} B, one at a time, asked by `tp bench`.\n\n",
             "| protocol | CPU µs/pull | beside Teleport 2.5 |\n|---|--:|--:|\n"]
    for scheme, cost in costs.items():
        lines.append(f"| {scheme.partition(':')[0]} | {cost:.2f} | {cost / first:.2f} |\n")
    return "".join(lines)


def tls_text(row, rows):
    lines = ["\n## TLS\n\n",
             f"The worker's processor time per PULL over {row.sessions:,} sessions without TLS and "
             f"with TLS 1.3, handshakes apart, at the same rates; {row.route} of {row.size:,} B, "
             f"one at a time, asked by `tp bench`.\n\n",
             "| pulls/s | plain: CPU µs/pull | TLS: CPU µs/pull | TLS/plain |\n"
             "|--:|--:|--:|--:|\n"]
    for rate, plain, sealed in rows:
        lines.append(f"| {rate:,} | {plain:.2f} | {sealed:.2f} | {sealed / plain:.2f} |\n")
    return "".join(lines)


def proxy_text(found):
    """`found`: row -> (processor time of echo, of a front that passes on to it)."""
    lines = ["\n## Passing on\n\n",
             "The worker's processor time per PULL of a server that answers, and of one in front of "
             "it that passes on (`proxy_pass`), both with an access log, at the same rates.\n\n",
             "| body | sessions | depth | echo: CPU µs/pull | proxy_pass: CPU µs/pull | ratio |\n"
             "|--:|--:|--:|--:|--:|--:|\n"]
    for row, (echo, passed_on) in found.items():
        lines.append(f"| {row.size:,} | {row.sessions:,} | {row.depth} | {echo:.2f} | "
                     f"{passed_on:.2f} | {passed_on / echo:.2f} |\n")
    return "".join(lines)


def proxy_instructions_text(row, echo, passed_on):
    return (f"\nA PULL that is passed on costs {passed_on:,.0f} at depth {row.depth}: "
            f"{passed_on / echo:.2f} of one that is answered.\n")


def memory_text(sessions, idle, pulled):
    return (f"\n## Memory\n\n{sessions:,} sessions, resident bytes of the worker for each: "
            f"**{idle:,.0f}** when opened and silent, **{pulled:,.0f}** after each has pulled once "
            "and is silent again. (The kernel's sockets are not the worker's.)\n")


def instructions_text(rows):
    lines = ["\n## Instructions per pull\n\n",
             "In the worker, without the kernel's, counted by callgrind; echo of 581 B, "
             "1 session.\n\n",
             "| depth | plain | TLS 1.3 |\n|--:|--:|--:|\n"]
    lines += [f"| {row.depth} | {plain:,.0f} | {sealed:,.0f} |\n" for row, plain, sealed, _ in rows]
    return "".join(lines)


def modules_text(row, costs):
    """`costs`: what is configured besides -> instructions per pull; the first is nothing."""
    first = next(iter(costs.values()))
    lines = ["\n## What modules cost\n\n",
             f"Instructions per pull, as above, with what is configured besides the route; "
             f"{row.route} of {row.size:,} B, 1 session, depth {row.depth}.\n\n",
             "| configured | instructions | more |\n|---|--:|--:|\n"]
    for text, count in costs.items():
        lines.append(f"| {f'`{text}`' if text else 'nothing'} | {count:,.0f} | "
                     f"{count - first:+,.0f} |\n")
    return "".join(lines)


def note_text(title, why):
    return f"\n{title} could not be measured: {why}.\n"
