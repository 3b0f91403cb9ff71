"""What is measured of a server: a load, its system calls, its memory, its instructions; and what
the load itself costs."""
import json
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from servers import BareEcho, Teleport, resident_bytes

# The worker and the load need a descriptor for each.
DESCRIPTORS_MAX = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
IDLE_SESSIONS = min(10000, DESCRIPTORS_MAX - 100)
IDLE_SECONDS = 0.05
STRACE_SECONDS_MAX = 10
STRACE_SETTLE_SECONDS = 0.3  # it says that it has attached before it counts
CALLGRIND_PULLS = {1: 2000, 100: 10000}
OWN_COST_PULLS = {1: 20000, 100: 400000}
SUM_LAST = 9   # the numbers of a sum go round up to it


class Unavailable(Exception):
    """This machine does not allow the measurement; the text says why."""


def allow_descriptors():
    """As many as this process may have; its children inherit that."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS_MAX, DESCRIPTORS_MAX))


def run_load(objs, server, row, *options, scheme=""):
    """One run of tp bench; what it found, by name."""
    command = [str(objs / "tp"), "bench", f"{scheme}{server.address}", f"/{row.route}", "--json",
               "--sessions", str(row.sessions), "--depth", str(row.depth), *options]
    if row.route == "sum":
        command.insert(4, numbers(row.size))
    else:
        command += ["--size", str(row.size)]
    if isinstance(server, BareEcho):
        # It sends back what it gets: a PULL would come back as one, to be answered.
        command.append("--push")
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE,
                                      env={**os.environ, **server.credentials}).stdout)
    if found["refused"] > 0:
        raise RuntimeError(f"{row}: {found['refused']} pulls were refused")
    latency = found.pop("latency_us")
    return {**found, **{f"{name}_us": value for name, value in latency.items()}}


def numbers(size):
    """A JSON array of numbers, of exactly that length: "[1,2,3,45]"."""
    digits = [str(1 + at % SUM_LAST) for at in range((size - 1) // 2)]
    digits[-1] += "1" * ((size - 1) % 2)
    return "[" + ",".join(digits) + "]"


def measure_row(objs, servers, row, rounds, seconds):
    """Each server in turn, again and again; name -> the median of each figure.

    The ratio is the median of the rounds' own ratios: what slows this machine for a while
    slows both sides of a round."""
    runs = {server.name: [] for server in servers}
    for server in servers:
        server.have_processor()
    for number in range(rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            wait_until_idle(servers)
            runs[server.name].append(run_load(
                objs, server, row, "--duration", f"{seconds * 1000:.0f}ms",
                "--server-pid", str(server.pid)))
    medians = {name: {figure: median(run[figure] for run in found) for figure in found[0]
                      if isinstance(found[0][figure], (int, float))}
               for name, found in runs.items()}
    medians["ratio"] = median(
        ours["server_cpu_us_per_pull"] / bare["server_cpu_us_per_pull"]
        for ours, bare in zip(runs["teleport"], runs["bare echo"]))
    return medians


def wait_until_idle(servers):
    """What a load has left behind unread is worked off before the next one counts."""
    def ran():
        return [Path(f"/proc/{server.pid}/schedstat").read_text().split()[0] for server in servers]

    before, now = None, ran()
    while before != now:
        time.sleep(IDLE_SECONDS)
        before, now = now, ran()


def measure_own_cost(objs, server, row, rounds):
    """Processor time of the client per PULL, and PULLs per second: the plain loop, tp bench."""
    pulls = OWN_COST_PULLS[row.depth]
    common = ["--sessions", str(row.sessions), "--depth", str(row.depth), "--size", str(row.size)]
    commands = {
        "plain loop": [str(objs / "tests/bench/load"), "run", server.address,
                       "--route", f"/{row.route}", "--pulls", str(pulls), *common],
        "tp bench": [str(objs / "tp"), "bench", server.address, f"/{row.route}",
                     "--count", str(pulls), "--json", *common],
    }
    runs = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            wait_until_idle([server])
            runs[name].append(run_and_account(command, pulls))
    return {name: [median(figures) for figures in zip(*found)] for name, found in runs.items()}


def run_and_account(command, pulls):
    """(microseconds of processor time per pull, pulls per second), starting included."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e6 / pulls, pulls / elapsed


def measure_schemes(objs, server, row, schemes, rate, seconds, rounds):
    """
    scheme -> the server's processor time per PULL, at one rate of PULLs, so that all have as much
    to do in a turn; at full speed the slower client would bring less.
    """
    runs = {scheme: [] for scheme in schemes}
    server.have_processor()
    for _ in range(rounds):
        for scheme, costs in runs.items():
            wait_until_idle([server])
            command = [str(objs / "tp"), "bench", f"{scheme}{server.address}",
                       f"/{row.route}", "--json", "--insecure", "--rate", str(rate),
                       "--sessions", str(row.sessions), "--depth", str(row.depth),
                       "--size", str(row.size), "--duration", f"{seconds}s",
                       "--warm-up", "1s", "--server-pid", str(server.pid)]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            costs.append(json.loads(told)["server_cpu_us_per_pull"])
    return {scheme: median(costs) for scheme, costs in runs.items()}


def measure_proxy(objs, folder, rows, rates, rounds):
    """
    row -> (processor time per PULL of echo, of a front that passes on to it), at one rate of PULLs.
    """
    found = {}
    large = "packet_limit 16m;"
    with Teleport(objs, folder / "back", more=large) as back, \
            Teleport(objs, folder / "front", more=large,
                     echo=f"proxy_pass {back.address}") as front:
        for row, rate in zip(rows, rates):
            costs = {server: [] for server in (back, front)}
            for _ in range(rounds):
                for server, runs in costs.items():
                    back.have_processor(server is back)
                    front.have_processor(server is front)
                    wait_until_idle([back, front])
                    runs.append(run_load(
                        objs, server, row, "--rate", str(rate), "--duration", "1s",
                        "--server-pid", str(server.pid))["server_cpu_us_per_pull"])
            found[row] = tuple(median(runs) for runs in costs.values())
    return found


def measure_calls(objs, server, row):
    """System calls per pull: twice as many pulls less as many, so that accepting cancels out."""
    pulls = max(2000, 20 * row.sessions * row.depth)
    counts = [count_calls(objs, server, row, pulls * times) for times in (1, 2)]
    return (counts[1] - counts[0]) / pulls


def count_calls(objs, server, row, pulls):
    wait_until_idle([server])
    with tempfile.NamedTemporaryFile("r") as summary, tempfile.TemporaryFile("w+") as words:
        try:
            tracer = subprocess.Popen(
                ["strace", "-c", "-f", "-o", summary.name, "-p", str(server.pid)], stderr=words)
        except FileNotFoundError:
            raise Unavailable("strace is not installed") from None
        end = time.monotonic() + STRACE_SECONDS_MAX
        while "attached" not in read_all(words):
            if tracer.poll() is not None or time.monotonic() > end:
                tracer.kill()
                raise Unavailable("strace may not attach: " + read_all(words).strip())
            time.sleep(0.02)
        time.sleep(STRACE_SETTLE_SECONDS)
        run_load(objs, server, row, "--count", str(pulls))
        tracer.send_signal(signal.SIGINT)
        tracer.wait(STRACE_SECONDS_MAX)
        total = re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)\s.*total$", summary.read(), re.M)
        return int(total.group(1))


def read_all(file):
    file.seek(0)
    return file.read()


def measure_memory(objs, server):
    """Bytes per session: opened and silent, then after each has pulled once."""
    sizes = [resident_bytes(server.pid)]
    holder = subprocess.Popen(
        [str(objs / "tests/bench/load"), "hold", server.address, str(IDLE_SESSIONS), "/echo"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for _ in range(2):
            if holder.stdout.readline() != b"ready\n":
                raise Unavailable(f"{IDLE_SESSIONS} sessions could not be opened")
            sizes.append(resident_bytes(server.pid))
            holder.stdin.write(b"\n")
            holder.stdin.flush()
    finally:
        holder.stdin.close()
        holder.wait()
    return [(size - sizes[0]) / IDLE_SESSIONS for size in sizes[1:]]


def measure_instructions(objs, row, more="", has_tls=False, echo="echo", trace=None):
    """Instructions per pull in the worker, and where they went; `more` are directives of its peer,
    `echo` is what answers /echo, and `trace` are options of a tp that traces meanwhile.

    Starting, accepting and ending cost the same however many pulls follow: the difference
    of two runs is the pulls alone."""
    pulls = CALLGRIND_PULLS[row.depth]
    with tempfile.TemporaryDirectory() as folder:
        counts = [count_instructions(objs, row, pulls * times, Path(folder) / str(times), more,
                                     has_tls, echo, trace)
                  for times in (1, 2)]
        profile = subprocess.run(
            ["callgrind_annotate", "--auto=no", str(Path(folder) / "2/worker")],
            check=True, stdout=subprocess.PIPE).stdout.decode()
    return (counts[1] - counts[0]) / pulls, top_functions(profile)


def count_instructions(objs, row, pulls, folder, more, has_tls, echo, trace):
    folder.mkdir()
    wrapper = ("valgrind", "--quiet", "--tool=callgrind",
               f"--callgrind-out-file={folder}/callgrind.%p")
    try:
        server = Teleport(objs, folder / "server", wrapper, has_tls=has_tls, more=more,
                          echo=echo)
    except FileNotFoundError:
        raise Unavailable("valgrind is not installed") from None
    with server:
        worker = server.pid
        tracer = None if trace is None else start_trace(objs, server, trace)
        run_load(objs, server, row, "--count", str(pulls), *(["--insecure"] if has_tls else []),
                 scheme="tls://" if has_tls else "")
        if tracer is not None:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
        server.stop(signal.SIGQUIT)
    output = (folder / f"callgrind.{worker}").rename(folder / "worker")
    return int(re.search(r"^(?:totals|summary): (\d+)", output.read_text(), re.M).group(1))


def start_trace(objs, server, options):
    """A tp that traces, from now on."""
    tracer = subprocess.Popen([str(objs / "tp"), "trace", server.address, "-v", *options.split()],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for line in tracer.stderr:
        if b"tracing" in line:
            break
    return tracer


def top_functions(profile, count=16):
    """The lines "instructions (share) file:function" at the top."""
    found = re.findall(r"^\s*([\d,]+) \(\s*([\d.]+)%\)\s+(\S+)", profile, re.M)
    return [(float(share), name.rpartition("/")[2]) for _, share, name in found
            if "PROGRAM" not in name][:count]
