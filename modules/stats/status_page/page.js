/*
 * page.js - asks the server it came from what it counts, every two seconds, and shows it.
 *
 * Counts only grow, so a rate is the difference of two readings, and a percentile that of the
 * difference of two histograms: of the last half minute.  What comes from the server is only ever
 * made text: uris and ids are strangers' words.
 */
"use strict";
(() => {

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 5000;
const WINDOW_READINGS = 16;         // half a minute
const POINTS = 150;                 // of a sparkline: five minutes
const POINTS_MIN = 30;              // a new one grows from the right of a minute
const ROWS_MAX = 100;               // of a table
const SESSIONS_EVERY = 3;           // readings
const STALE_MS = 3 * INTERVAL_MS;

const $ = (id) => document.getElementById(id);

/* ---- Numbers for people ---- */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NIL = "–";

const significant = (value) => value >= 100 ? whole.format(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

function scaled(value, base, units) {
    let unit = 0;
    while (Math.abs(value) >= base * 0.9995 && unit < units.length - 1) {
        value /= base;
        unit++;
    }
    return [unit === 0 ? whole.format(value) : significant(value), units[unit]];
}

const bytesParts = (value) => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
const bytes = (value) => bytesParts(value).join(" ");
const count = (value) => whole.format(value);
const rate = (value) => value === 0 ? "0" : value < 0.01 ? "<0.01" : significant(value);
const share = (value) => value === 0 ? "0 %" : value < 0.0005 ? "<0.1 %" : (100 * value).toFixed(1) + " %";

function timeParts(us) {
    if (us === null) {
        return [NIL, ""];
    }
    if (us < 1000) {
        return [whole.format(us), "µs"];
    }
    return us < 1e6 ? [significant(us / 1000), "ms"] : [significant(us / 1e6), "s"];
}
const time = (us) => timeParts(us).join(" ").trim();

function age(seconds) {
    const parts = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
    let at = parts.findIndex(([, length]) => seconds >= length);
    if (at < 0) {
        return "0 s";
    }
    const [unit, length] = parts[at];
    const text = Math.floor(seconds / length) + " " + unit;
    return at === parts.length - 1 ? text : text + " " + Math.floor(seconds % length / parts[at + 1][1]) + " " + parts[at + 1][0];
}

/* ---- Readings, and what lies between two of them ---- */

const readings = [];                // of the last half minute, the newest last
const keyOf = (row, labels) => labels.map((label) => row[label]).join("\u001f");

class Reading {
    constructor(data) {
        this.data = data;
        this.at = data.server.time;
        this.indexes = new Map();
    }

    find(group, labels, row) {
        let index = this.indexes.get(group);
        if (index === undefined) {
            index = new Map((this.data[group] || []).map((each) => [keyOf(each, labels), each]));
            this.indexes.set(group, index);
        }
        return index.get(keyOf(row, labels));
    }
}

function remember(data) {
    const reading = new Reading(data);
    const last = readings.at(-1);
    if (last !== undefined && (data.server.uptime_seconds < last.data.server.uptime_seconds || reading.at <= last.at)) {
        readings.length = 0;        // The server has begun anew.
    }
    readings.push(reading);
    if (readings.length > WINDOW_READINGS) {
        readings.shift();
    }
}

/* How much more than before a second; null while there is nothing to compare with. */
function grown(now, before, seconds) {
    return seconds > 0 ? Math.max(0, now - (before || 0)) / seconds : null;
}

/* The percentile of what a histogram has more than before; null: nothing. */
function percentile(now, before, wanted) {
    const ends = Object.keys(now.buckets || {}).map(Number).sort((left, right) => left - right);
    const more = ends.map((end) => now.buckets[end] - (before && before.buckets[end] || 0));
    const total = more.reduce((sum, each) => sum + each, 0);
    let seen = 0;
    for (let i = 0; i < ends.length; i++) {
        seen += more[i];
        if (seen > 0 && seen >= wanted * total) {
            return ends[i];
        }
    }
    return null;
}

/* All histograms of a group as one. */
function joined(rows, name) {
    const all = { buckets: {} };
    for (const row of rows || []) {
        for (const [end, number] of Object.entries(row[name].buckets || {})) {
            all.buckets[end] = (all.buckets[end] || 0) + number;
        }
    }
    return all;
}

const sum = (rows, name) => (rows || []).reduce((total, row) => total + row[name], 0);

/* ---- Parts of the page ---- */

function make(name, className, text) {
    const element = document.createElement(name);
    if (className) {
        element.className = className;
    }
    if (text !== undefined) {
        element.textContent = text;
    }
    return element;
}

function setText(element, text) {
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

const svg = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);

class Tile {
    constructor(title) {
        this.root = make("div", "tile");
        this.value = make("span", "", NIL);
        this.unit = make("span", "unit");
        this.more = make("div", "more", "\u00a0");
        const line = make("div", "value");
        line.append(this.value, this.unit);
        this.chart = svg("svg");
        this.chart.setAttribute("preserveAspectRatio", "none");
        this.chart.setAttribute("aria-hidden", "true");
        this.area = svg("path");
        this.area.setAttribute("class", "area");
        this.line = svg("path");
        this.line.setAttribute("class", "line");
        this.chart.append(this.area, this.line);
        this.root.append(make("h2", "", title), line, this.more, this.chart);
        this.points = [];
    }

    show([value, unit], more, point, isBad) {
        setText(this.value, value);
        setText(this.unit, unit);
        setText(this.more, more || "\u00a0");
        this.root.classList.toggle("bad", isBad === true);
        this.points.push(point);
        if (this.points.length > POINTS) {
            this.points.shift();
        }
        this.draw();
    }

    draw() {
        const most = Math.max(...this.points.map((point) => point || 0)) || 1;
        const last = Math.max(POINTS_MIN, this.points.length) - 1;
        const first = last + 1 - this.points.length;
        this.chart.setAttribute("viewBox", "0 0 " + last + " 30");
        const places = this.points.map((point, i) => (first + i) + " " + (29 - 26 * (point || 0) / most).toFixed(2));
        this.line.setAttribute("d", "M" + places.join("L"));
        this.area.setAttribute("d", "M" + first + " 30L" + places.join("L") + "L" + last + " 30Z");
    }
}

/*
 * A table whose rows stay what they are while numbers change, and move only when their order does.
 * A column: title, get(row) -> what is sorted by, show(that, row) -> text, kind.
 */
class Table {
    constructor(panel) {
        Object.assign(this, panel);
        this.root = make("section", "panel " + (panel.size || ""));
        this.root.id = panel.id;
        this.note = make("span", "note");
        this.head = make("header");
        const title = make("h2", "", panel.title);
        title.id = panel.id + "-title";
        this.head.append(title, this.note);
        this.scroll = make("div", "scroll tall");
        this.scroll.tabIndex = 0;
        this.scroll.setAttribute("role", "region");
        this.scroll.setAttribute("aria-labelledby", title.id);
        this.nothing = make("p", "nothing", panel.empty);
        this.table = make("table");
        this.table.setAttribute("aria-labelledby", title.id);
        this.body = make("tbody");
        this.table.append(this.makeHead(), this.body);
        this.table.hidden = true;
        this.scroll.append(this.table, this.nothing);
        this.root.append(this.head, this.scroll);
        this.lines = new Map();
        this.rows = [];
    }

    makeHead() {
        const line = make("tr");
        this.columns.forEach((column, i) => {
            const cell = make("th", this.cellClass(column));
            const button = make("button", "", column.title);
            button.type = "button";
            if (column.about) {
                button.title = column.about;
            }
            cell.scope = "col";
            button.addEventListener("click", () => this.sortBy(i));
            cell.append(button);
            line.append(cell);
            column.cell = cell;
        });
        this.sorted = Math.max(0, this.columns.findIndex((column) => column.title === this.sort));
        this.isAscending = this.columns[this.sorted].kind !== "number";
        this.markSorted();
        const head = make("thead");
        head.append(line);
        return head;
    }

    cellClass(column) {
        return [column.kind || "text", column.isWide ? "wide" : "", column.isCode ? "code" : ""].join(" ").trim();
    }

    sortBy(index) {
        this.isAscending = index === this.sorted ? !this.isAscending : this.columns[index].kind !== "number";
        this.sorted = index;
        this.markSorted();
        this.show(this.rows);
    }

    markSorted() {
        this.columns.forEach((column, i) => {
            if (i === this.sorted) {
                column.cell.setAttribute("aria-sort", this.isAscending ? "ascending" : "descending");
            } else {
                column.cell.removeAttribute("aria-sort");
            }
        });
    }

    compare(left, right) {
        const [one, other] = this.isAscending ? [left, right] : [right, left];
        if (one === other) {
            return 0;
        }
        if (one === null || other === null) {
            return one === null ? -1 : 1;
        }
        return typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other;
    }

    show(rows) {
        const words = $("filter").value.trim().toLowerCase().split(/\s+/).filter((word) => word !== "");
        this.rows = rows;
        const wanted = rows.map((row) => ({ row, values: this.columns.map((column) => column.get(row)) }))
            .filter(({ values }) => words.every((word) => values.some((value, i) => this.columns[i].kind !== "number"
                && String(value).toLowerCase().includes(word))));
        wanted.sort((left, right) => this.compare(left.values[this.sorted], right.values[this.sorted])
            || String(this.key(left.row)).localeCompare(String(this.key(right.row))));
        this.place(wanted.slice(0, ROWS_MAX));
        this.table.hidden = wanted.length === 0;
        this.nothing.hidden = wanted.length > 0;
        setText(this.nothing, rows.length > 0 ? "None of " + count(rows.length) + " has that." : this.empty);
        setText(this.note, this.noteOf(rows, wanted));
    }

    noteOf(rows, wanted) {
        const parts = [];
        if (this.about) {
            parts.push(this.about());
        }
        if (wanted.length < rows.length) {
            parts.push(count(wanted.length) + " of " + count(rows.length));
        }
        if (wanted.length > ROWS_MAX) {
            parts.push("the first " + ROWS_MAX);
        }
        return parts.filter((part) => part).join(" · ");
    }

    place(wanted) {
        const seen = new Set();
        let next = this.body.firstChild;
        for (const { row, values } of wanted) {
            const key = this.key(row);
            let line = this.lines.get(key);
            if (line === undefined) {
                line = this.makeLine();
                this.lines.set(key, line);
            }
            this.fill(line, row, values);
            seen.add(key);
            if (line === next) {
                next = next.nextSibling;
            } else {
                this.body.insertBefore(line, next);
            }
        }
        for (const [key, line] of this.lines) {
            if (!seen.has(key)) {
                line.remove();
                this.lines.delete(key);
            }
        }
    }

    makeLine() {
        const line = make("tr");
        for (const column of this.columns) {
            line.append(make("td", this.cellClass(column)));
        }
        return line;
    }

    fill(line, row, values) {
        this.columns.forEach((column, i) => {
            const cell = line.children[i];
            const text = values[i] === null ? NIL : column.show ? column.show(values[i], row) : String(values[i]);
            const mark = column.mark ? column.mark(values[i], row) : "";
            setText(cell, text);
            if (column.kind !== "number" && cell.title !== text) {
                cell.title = text;
            }
            cell.classList.toggle("nil", values[i] === null || values[i] === 0 && !column.isName);
            cell.classList.toggle("bad", mark === "bad");
            cell.classList.toggle("warn", mark === "warn");
        });
    }
}

/* ---- What is shown ---- */

const text = (title, get, more) => ({ title, get, ...more });
const code = (title, get, more) => ({ title, get, isCode: true, ...more });
const number = (title, get, show, more) => ({ title, get, show, kind: "number", ...more });
const wide = { isWide: true };
const name = { isWide: true, isName: true };    // a number that counts nothing
const orElse = (words) => ({ show: (value) => value === "-" ? words : value });

/* A row of a group beside what it was half a minute ago. */
function withRates(group, labels) {
    const now = readings.at(-1);
    const old = readings[0];
    const seconds = now.at - old.at;
    return (now.data[group] || []).map((row) => {
        const before = old.find(group, labels, row);
        return {
            row,
            key: keyOf(row, labels),
            per: (name) => grown(row[name], before && before[name], seconds),
            percentile: (name, wanted) => seconds > 0 ? percentile(row[name], before && before[name], wanted) : null,
        };
    });
}

const isBadShare = (value) => value >= 0.05 ? "bad" : value > 0 ? "warn" : "";
const durations = [
    number("p50", (each) => each.percentile("duration", 0.5), time, wide),
    number("p99", (each) => each.percentile("duration", 0.99), time),
    number("max", (each) => each.row.duration.max_us, time, { isWide: true, about: "since the server began" }),
];
const errorShare = (each) => each.per("exchanges") > 0 ? Math.min(1, each.per("errors") / each.per("exchanges")) : each.per("exchanges");

const panels = [
    {
        id: "routes", title: "Routes", group: "routes", labels: ["server", "type", "uri"], sort: "/s",
        empty: "Nothing has been asked.",
        isShown: (each) => each.row.exchanges > 0 || each.row.in_flight > 0,
        about: () => {
            const unasked = readings.at(-1).data.routes.filter((row) => row.exchanges === 0 && row.in_flight === 0 && row.uri !== "-").length;
            return unasked === 0 ? "" : count(unasked) + " never asked";
        },
        columns: [
            code("uri", (each) => each.row.uri, orElse("no route")), text("type", (each) => each.row.type, { ...wide, ...orElse("") }),
            text("server", (each) => each.row.server, { ...wide, ...orElse("what is dialed") }),
            number("/s", (each) => each.per("exchanges"), rate),
            number("in flight", (each) => each.row.in_flight, count, wide),
            number("errors", (each) => errorShare(each), share, { mark: isBadShare }),
            number("slow/s", (each) => each.per("slow"), rate, wide),
            ...durations,
            number("in/s", (each) => each.per("received_bytes"), bytes, wide), number("out/s", (each) => each.per("sent_bytes"), bytes, wide),
            number("total", (each) => each.row.exchanges, count),
        ],
    },
    {
        id: "upstreams", title: "Upstream servers", group: "upstreams", labels: ["upstream", "address"], sort: "/s",
        empty: "Nothing is passed on.",
        columns: [
            text("upstream", (each) => each.row.upstream), code("address", (each) => each.row.address),
            number("down", (each) => each.row.is_down, (value) => value === 0 ? "no" : "in " + value, { mark: (value) => value > 0 ? "bad" : "", about: "workers that leave it alone, because it failed" }),
            number("sessions", (each) => each.row.sessions, count, wide),
            number("/s", (each) => each.per("exchanges"), rate),
            number("in flight", (each) => each.row.in_flight, count),
            number("errors", (each) => errorShare(each), share, { mark: isBadShare }),
            ...durations,
            number("total", (each) => each.row.exchanges, count, wide),
        ],
    },
    {
        id: "traffic", title: "Listens, dials and protocols", group: "traffic", labels: ["kind", "name", "protocol"], sort: "sessions",
        empty: "Nobody has come.",
        columns: [
            code("name", (each) => each.row.name), text("kind", (each) => each.row.kind, wide), text("protocol", (each) => each.row.protocol, orElse("none yet")),
            number("sessions", (each) => each.row.sessions, count), number("begun/s", (each) => each.per("begun"), rate, wide),
            number("packets in/s", (each) => each.per("received_packets"), rate, wide), number("out/s", (each) => each.per("sent_packets"), rate, wide),
            number("bytes in/s", (each) => each.per("received_bytes"), bytes, wide), number("bytes out/s", (each) => each.per("sent_bytes"), bytes),
        ],
    },
    {
        id: "workers", title: "Workers", labels: ["slot"], group: "workers", sort: "worker", size: "half",
        empty: "There is no worker.",
        columns: [
            text("worker", (each) => String(each.row.slot)), text("state", (each) => each.row.state, { mark: (value) => value === "running" ? "" : "warn" }),
            number("sessions", (each) => each.row.sessions, count, wide),
            number("last turn", (each) => each.row.turned_ms_ago, (value) => time(1000 * value), { mark: (value) => value > 2500 ? "bad" : "", about: "how long ago its loop has turned" }),
            number("longest turn", (each) => each.row.loop_turn_max_us, time, { mark: (value) => value > 100000 ? "warn" : "" }),
            number("turns/s", (each) => each.per("loop_turns"), rate, wide),
            number("memory", (each) => memoryOf(each.row.slot), bytes),
            number("pid", (each) => each.row.pid, String, name),
        ],
    },
    {
        id: "memory", title: "Memory", group: "memory", labels: ["kind"], sort: "bytes", size: "half",
        empty: "It is not told.",
        columns: [text("kind", (each) => each.row.kind), number("bytes", (each) => each.row.bytes, bytes)],
    },
    {
        id: "statuses", title: "Statuses other than 200", group: "statuses", labels: ["server", "code"], sort: "/s", size: "half",
        empty: "Everything has ended with 200.",
        columns: [
            text("code", (each) => each.row.code), text("server", (each) => each.row.server),
            number("/s", (each) => each.per("exchanges"), rate), number("total", (each) => each.row.exchanges, count),
        ],
    },
    {
        id: "closes", title: "Why sessions ended", group: "closes", labels: ["reason"], sort: "total", size: "half",
        empty: "None has ended.",
        columns: [
            text("reason", (each) => each.row.reason), number("/s", (each) => each.per("sessions"), rate),
            number("total", (each) => each.row.sessions, count),
        ],
    },
    {
        id: "slow", title: "Slowest exchanges", sort: "took",
        empty: "None has taken as long as slow_threshold says.",
        key: (row) => [row.time, row.session, row.seq, row.duration_us].join(" "), rows: (data) => data.slow || [],
        columns: [
            code("uri", (row) => row.uri), text("type", (row) => row.type, wide),
            number("took", (row) => row.duration_us, time), number("status", (row) => row.code, String, { mark: (value) => value === 200 ? "" : "warn" }),
            number("ago", (row) => readings.at(-1).at - row.time, age),
            code("id", (row) => row.id, wide), code("other end", (row) => row.remote, wide), text("asked by", (row) => row.is_ours ? "us" : "them", wide),
            number("session", (row) => row.session, String, name), number("worker", (row) => row.worker, String, name),
        ],
    },
    {
        id: "sessions", title: "Top sessions", sort: "bytes",
        empty: "Nobody is connected.",
        key: (row) => row.number, rows: () => sessions.rows, about: () => sessions.note,
        columns: [
            code("other end", (row) => row.remote), code("id", (row) => row.id || ""),
            text("protocol", (row) => row.protocol, wide), text("state", (row) => row.state, wide),
            number("in/s", (row) => row.inRate, bytes), number("out/s", (row) => row.outRate, bytes),
            number("bytes", (row) => row.bytes_received + row.bytes_sent, bytes), number("packets", (row) => row.packets_received + row.packets_sent, count, wide),
            number("queued", (row) => row.queued_bytes, bytes, { mark: (value, row) => row.queued_age_ms > 1000 ? "warn" : "" }),
            number("in flight", (row) => row.in_flight + row.asked, count, wide), number("rtt", (row) => row.rtt_us || null, time, wide),
            number("age", (row) => row.age_ms / 1000, age),
            text("came by", (row) => row.listen || row.dial, wide), number("worker", (row) => row.worker, String, name),
        ],
    },
    {
        id: "meters", title: "Limits, logins and what else modules count", sort: "/s",
        empty: "No module that counts is in use.",
        key: (each) => each.key,
        rows: () => meterRows(),
        columns: [
            text("count", (each) => each.row.name), text("of", (each) => each.of), number("/s", (each) => each.per("total"), rate),
            number("total", (each) => each.row.total, count),
        ],
    },
];

/* What the system counts has the other kinds in it. */
const residentOf = (data) => (data.memory || []).find((row) => row.kind === "resident");

function memoryOf(slot) {
    const resident = residentOf(readings.at(-1).data);
    return resident === undefined ? null : resident.workers[slot] || 0;
}

/* What tells meters apart has a name of its own in each. */
function meterRows() {
    const known = ["name", "total", "workers"];
    for (const reading of [readings[0], readings.at(-1)]) {
        for (const row of reading.data.meters) {
            row.of = Object.keys(row).filter((name) => !known.includes(name) && name !== "of").map((name) => row[name]).join(", ");
        }
    }
    return withRates("meters", ["name", "of"]).map((each) => ({ ...each, of: each.row.of }));
}

/* ---- Tiles ---- */

const tiles = [
    ["Sessions", (now) => {
        const perSecond = between((each) => each.data.totals.sessions_accepted);
        return [[count(now.totals.sessions), ""], perSecond === null ? "" : rate(perSecond) + " accepted/s", now.totals.sessions];
    }],
    ["Exchanges", () => ratesOf("exchanges", "/s")],
    ["Errors", () => {
        const shown = ratesOf("errors", "/s");
        return [...shown, shown[2] > 0];
    }],
    ["p99", () => {
        const value = percentile(joined(readings.at(-1).data.routes, "duration"), joined(readings[0].data.routes, "duration"), 0.99);
        const middle = percentile(joined(readings.at(-1).data.routes, "duration"), joined(readings[0].data.routes, "duration"), 0.5);
        const isKnown = readings.length > 1;
        return [timeParts(isKnown ? value : null), isKnown && middle !== null ? "half within " + time(middle) : "", isKnown ? value : null];
    }],
    ["In flight", (now) => {
        const flying = sum(now.routes, "in_flight");
        const asked = sum(now.asked, "in_flight");
        return [[count(flying), ""], asked > 0 ? count(asked) + " of ours" : "", flying];
    }],
    ["Packets", () => both("received_packets", "sent_packets", (value) => [rate(value), "/s"], rate)],
    ["Bytes", () => both("received_bytes", "sent_bytes", (value) => [bytesParts(value)[0], bytesParts(value)[1] + "/s"], bytes)],
    ["Memory", (now) => {
        const resident = residentOf(now);
        const of = now.workers.length === 1 ? "of one worker" : "of " + count(now.workers.length) + " workers";
        return resident === undefined ? [[NIL, ""], "", null] : [bytesParts(resident.bytes), of, resident.bytes];
    }],
].map(([title, read]) => ({ tile: new Tile(title), read }));

/* A second of what a reading says, over the last two. */
function between(value) {
    const [before, now] = readings.slice(-2);
    return now === undefined ? null : grown(value(now), value(before), now.at - before.at);
}

function ratesOf(name, unit) {
    const perSecond = between((each) => sum(each.data.routes, name));
    const total = sum(readings.at(-1).data.routes, name);
    return [perSecond === null ? [NIL, ""] : [rate(perSecond), unit], count(total) + " in all", perSecond];
}

function both(received, sent, parts, plain) {
    const incoming = between((each) => sum(each.data.traffic, received));
    const outgoing = between((each) => sum(each.data.traffic, sent));
    if (incoming === null) {
        return [[NIL, ""], "", null];
    }
    return [parts(incoming + outgoing), plain(incoming) + " in, " + plain(outgoing) + " out", incoming + outgoing];
}

/* ---- Asking ---- */

const sessions = { rows: [], note: "", by: "traffic", before: new Map(), at: 0 };

/* The route that the page came from, with what else its query says: that may be who asks. */
function addressOf(what, by) {
    const query = new URLSearchParams(location.search);
    query.delete("data");
    query.delete("sessions");
    query.set(what, "");
    if (by !== undefined) {
        query.set("by", by);
    }
    return location.origin + location.pathname + "?" + query;    // an origin has no credentials
}

async function ask(address) {
    const abort = new AbortController();
    const alarm = setTimeout(() => abort.abort(), TIMEOUT_MS);
    try {
        const reply = await fetch(address, { signal: abort.signal, cache: "no-store", credentials: "same-origin" });
        if (!reply.ok) {
            throw new Error(reply.status === 401 || reply.status === 403
                ? "The server wants to know who you are: load the page anew." : "The server answers " + reply.status + ".");
        }
        return await reply.json();
    } catch (error) {
        throw error.name === "AbortError" ? new Error("The server has not answered for " + TIMEOUT_MS / 1000 + " s.")
            : error instanceof TypeError ? new Error("The server cannot be reached.") : error;
    } finally {
        clearTimeout(alarm);
    }
}

async function askSessions() {
    const reply = await ask(addressOf("sessions", sessions.by));
    const at = performance.now();
    const seconds = (at - sessions.at) / 1000;
    sessions.rows = reply.sessions.map((row) => {
        const before = sessions.before.get(row.number);
        return {
            ...row,
            inRate: before === undefined ? null : grown(row.bytes_received, before.bytes_received, seconds),
            outRate: before === undefined ? null : grown(row.bytes_sent, before.bytes_sent, seconds),
        };
    });
    sessions.before = new Map(reply.sessions.map((row) => [row.number, row]));
    sessions.at = at;
    const looked = (reply.is_whole ? "" : "the first ") + count(reply.looked_at);
    sessions.note = reply.looked_at > reply.sessions.length ? "the top " + count(reply.sessions.length) + " of " + looked
        : reply.is_whole ? "" : "of " + looked;
    if (reply.looked_at === 0 && !reply.is_whole) {
        panelOf("sessions").root.hidden = true;
    }
}

let seenAt = 0;
let isPaused = false;
let reason = "";

async function turn() {
    if (isPaused || document.visibilityState === "hidden") {
        return;
    }
    try {
        remember(await ask(addressOf("data")));
        seenAt = performance.now();
        reason = "";
        showAll();
    } catch (error) {
        reason = error.message;
        showState();
        return;
    }
    if (turns++ % SESSIONS_EVERY === 0) {
        try {
            await askSessions();
        } catch (error) {
            sessions.note = error.message;
        }
        panelOf("sessions").show(sessions.rows);
    }
}

let turns = 0;

/* ---- Showing ---- */

const tables = panels.map((panel) => {
    if (panel.group !== undefined) {
        panel.key = (each) => each.key;
        panel.rows = () => withRates(panel.group, panel.labels).filter(panel.isShown || (() => true));
    }
    return new Table({ ...panel, rowsOf: panel.rows });
});
const panelOf = (id) => tables.find((table) => table.id === id);

function showAll() {
    const now = readings.at(-1).data;
    setText($("version"), now.server.version);
    setText($("uptime"), age(now.server.uptime_seconds));
    setText($("generation"), count(now.server.generation));
    setText($("worker-count"), count(now.workers.length));
    setText($("window"), Math.max(INTERVAL_MS / 1000, Math.round(readings.at(-1).at - readings[0].at)) + " s");
    for (const { tile, read } of tiles) {
        const [value, more, point, isBad] = read(now);
        tile.show(value, more, point, isBad);
    }
    for (const table of tables) {
        table.show(table.rowsOf(now));
    }
    showState();
}

function showState() {
    const silent = performance.now() - seenAt;
    const isLost = reason !== "" || !isPaused && seenAt > 0 && silent > STALE_MS + TIMEOUT_MS;
    const state = isLost ? "lost" : isPaused ? "paused" : seenAt === 0 ? "waiting" : "live";
    $("state").dataset.state = state;
    setText($("state"), state);
    $("lost").hidden = !isLost;
    setText($("lost"), !isLost ? "" : (reason || "The server does not answer.")
        + (seenAt === 0 ? "" : " What is shown is of " + age(silent / 1000) + " ago."));
    document.body.classList.toggle("stale", isLost && seenAt > 0);
    document.title = (isLost ? "✕ " : "") + "Teleport";
}

function chooseSessions() {
    const choice = make("select");
    choice.setAttribute("aria-label", "Top sessions by");
    for (const [value, title] of [["traffic", "by traffic"], ["queue", "by what is queued"], ["in_flight", "by exchanges in flight"], ["age", "by age"]]) {
        const option = make("option", "", title);
        option.value = value;
        choice.append(option);
    }
    choice.addEventListener("change", () => {
        const titles = { traffic: "bytes", queue: "queued", in_flight: "in flight", age: "age" };
        const table = panelOf("sessions");
        sessions.by = choice.value;
        table.sorted = table.columns.findIndex((column) => column.title === titles[choice.value]);
        table.isAscending = false;
        table.markSorted();
        askSessions().then(() => table.show(sessions.rows), (error) => {
            reason = error.message;
            showState();
        });
    });
    panelOf("sessions").head.append(choice);
}

function begin() {
    $("tiles").append(...tiles.map(({ tile }) => tile.root));
    $("tables").append(...tables.map((table) => table.root));
    chooseSessions();
    $("filter").addEventListener("input", () => tables.forEach((table) => table.show(table.rows)));
    $("pause").addEventListener("click", () => {
        isPaused = !isPaused;
        $("pause").setAttribute("aria-pressed", String(isPaused));
        setText($("pause"), isPaused ? "go on" : "pause");
        showState();
    });
    document.addEventListener("keydown", (event) => {
        if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
            event.preventDefault();
            $("filter").focus();
        }
    });
    document.addEventListener("visibilitychange", () => {
        if (document.visibilityState === "visible") {
            readings.length = 0;    // What was not watched has no rates.
        }
    });
    const round = () => turn().catch((error) => {
        reason = error.message;
        showState();
    }).then(() => setTimeout(round, INTERVAL_MS));
    round();
    setInterval(showState, 1000);
}

begin();

})();
