/*
 * teleport.js - a Teleport client for browsers: one module, nothing else needed.
 *
 *     import { connect } from "./teleport.js";
 *
 *     const session = connect("ws://127.0.0.1:9090/");
 *
 *     session.onPush("/news/*", (body, packet) => console.log(packet.path, body));
 *     console.log(await session.pull("/math/add", [1, 2]));       // 3
 *     session.push("/chat/say", { text: "hello" });
 *     session.close();
 *
 * A session outlives its connections: when one is lost it connects again, at first after
 * 100 ms and then less and less often.  What was asked over a lost connection fails with
 * status 101; what had not been sent waits for the next one.
 *
 * It speaks the sub-protocol teleport.json: each message is one packet, in JSON.
 */

export const SUBPROTOCOL = "teleport.json";

export const Status = Object.freeze({
    CONNECTION_CLOSED: 101,
    OK: 200,
    BAD_REQUEST: 400,
    NOT_FOUND: 404,
    INTERNAL_ERROR: 500,
    GATEWAY_TIMEOUT: 504,
});

const PULL = 1;
const REPLY = 2;
const PUSH = 3;

const CODEC_NONE = 0;
const CODEC_JSON = "j".charCodeAt(0);
const CODEC_PLAIN = "s".charCodeAt(0);

/* Close codes after which coming back would be useless: all is done, or we are not wanted. */
const FINAL_CODES = new Set([1000, 1008]);

/* The server asks us so to stay away, or to come back. */
const CLOSED_PATH = "/system/closed";

const PRESETS = Object.freeze({
    redial: true,          // or false; or { first, max }: pauses between attempts, in ms
    timeout: 30000,        // of a pull, in ms; 0: none
    queueMax: 1000,        // packets that wait while there is no connection
    token: undefined,      // who asks: a text, or a function that returns one for each connection
});
const REDIAL_PRESETS = Object.freeze({ first: 100, max: 30000 });

/** What a pull is rejected with when its status is not OK. */
export class TeleportError extends Error {
    constructor(code, message, cause = "", body = undefined) {
        super(message || `status ${code}`, cause ? { cause } : undefined);
        this.name = "TeleportError";
        this.code = code;
        this.body = body;
    }
}

/**
 * Makes a session and begins to connect it; pulls may be made at once.
 * The url is ws://HOST:PORT/ or wss://; options are those of PRESETS.
 */
export function connect(url, options = {}) {
    return new Session(url, options);
}

/**
 * One end of a conversation.  As an EventTarget it tells of "open", of "close" (detail: code,
 * reason, isFinal) and of "error" (detail: what a handler has thrown, or what was wrong
 * with a message).
 */
export class Session extends EventTarget {
    #url;
    #options;
    #redial;
    #socket = null;
    #timer = null;
    #failures = 0;
    #isClosed = false;
    #staysAway = null;
    #nextSeq = 1;
    #pulls = new Map();            // seq -> what waits for its REPLY
    #queue = [];                   // texts that wait for a connection, with the seq of pulls
    #pushRoutes = new Routes();
    #pullRoutes = new Routes();

    constructor(url, options) {
        super();
        this.#url = url;
        this.#options = { ...PRESETS, ...options };
        this.#redial = { ...REDIAL_PRESETS, ...this.#options.redial };
        this.onPush(CLOSED_PATH, (_, packet) => {
            this.#staysAway = packet.query.get("redial") === "0";
        });
        this.#dial();
    }

    /** Is there a connection that packets can leave by? */
    get isOpen() {
        return this.#socket !== null && this.#socket.readyState === WebSocket.OPEN;
    }

    /** Has it ended for good? */
    get isClosed() {
        return this.#isClosed;
    }

    /**
     * Asks, and resolves to the body of the REPLY; rejects with a TeleportError, or with the
     * reason of `signal`.  The body is any value that JSON has; without one none is sent.
     *
     * Options: timeout (ms), signal (AbortSignal), meta (names and values), codec ("json", or
     * "plain" for a text that is sent as it is), full (true: resolve to the packet).
     */
    pull(uri, body = undefined, options = {}) {
        const { timeout = this.#options.timeout, signal } = options;
        const seq = this.#nextSeq++;

        return new Promise((resolve, reject) => {
            const pull = { resolve, reject, signal, full: options.full, timer: null, onAbort: null };

            signal?.throwIfAborted();
            const text = encode({ seq, type: PULL, uri, body, ...options });

            this.#pulls.set(seq, pull);
            if (timeout > 0) {
                pull.timer = setTimeout(() => this.#fail(seq, new TeleportError(
                    Status.GATEWAY_TIMEOUT, "Gateway Timeout", `no reply in ${timeout} ms`)), timeout);
            }
            if (signal) {
                pull.onAbort = () => this.#fail(seq, signal.reason);
                signal.addEventListener("abort", pull.onAbort, { once: true });
            }
            if (!this.#send(text, seq)) {
                this.#fail(seq, closedError());
            }
        });
    }

    /**
     * Tells, without a reply; options are those of pull() that make sense.  Returns false when
     * it cannot leave, nor wait until it can.
     */
    push(uri, body = undefined, options = {}) {
        return this.#send(encode({ seq: this.#nextSeq++, type: PUSH, uri, body, ...options }));
    }

    /**
     * Calls `handler(body, packet)` for each PUSH to this path: "/news", or "/news/*" for all
     * below it, or "*".  The longest one counts.  Returns a function that ends it.
     */
    onPush(path, handler) {
        return this.#pushRoutes.add(path, handler);
    }

    /**
     * The same for PULLs of the server.  What the handler returns, or its promise resolves to,
     * is the reply; what it throws is the error, a TeleportError with its code.
     */
    onPull(path, handler) {
        return this.#pullRoutes.add(path, handler);
    }

    /** Ends it for good.  What was not answered fails with status 101. */
    close() {
        this.#end({ code: 1000, reason: "closed" });
    }

    #dial() {
        const socket = new WebSocket(this.#address(), [SUBPROTOCOL]);

        this.#timer = null;
        this.#socket = socket;
        this.#staysAway = null;
        socket.binaryType = "arraybuffer";
        socket.addEventListener("open", () => this.#onOpen(socket));
        socket.addEventListener("message", (event) => this.#onMessage(socket, event.data));
        socket.addEventListener("close", (event) => this.#onClose(socket, event));
    }

    /* A page cannot set fields of a handshake: the query says who asks. */
    #address() {
        const { token } = this.#options;
        const said = typeof token === "function" ? token() : token;

        if (said === undefined || said === null) {
            return this.#url;
        }
        return `${this.#url}${this.#url.includes("?") ? "&" : "?"}access_token=`
            + encodeURIComponent(said);
    }

    #onOpen(socket) {
        if (socket !== this.#socket) {
            return;
        }
        this.dispatchEvent(new CustomEvent("open"));
        for (const { text, seq } of this.#queue.splice(0)) {
            if (seq === undefined || this.#pulls.has(seq)) {
                this.#transmit(text, seq);
            }
        }
    }

    #onClose(socket, { code, reason }) {
        if (socket !== this.#socket) {
            return;
        }
        this.#socket = null;
        this.#failSent();
        const isFinal = this.#options.redial === false
            || (this.#staysAway ?? FINAL_CODES.has(code));

        if (isFinal) {
            this.#end({ code, reason });
            return;
        }
        this.#timer = setTimeout(() => this.#dial(), this.#nextPause());
        this.dispatchEvent(new CustomEvent("close", { detail: { code, reason, isFinal } }));
    }

    /* Twice as long after each failure; by chance shorter, so that not all come back at once. */
    #nextPause() {
        const { first, max } = this.#redial;
        const pause = Math.min(max, first * 2 ** this.#failures++);

        return pause * (1 - Math.random() / 2);
    }

    #end(detail) {
        if (this.#isClosed) {
            return;
        }
        const socket = this.#socket;

        this.#isClosed = true;
        this.#socket = null;
        this.#queue = [];
        clearTimeout(this.#timer);
        socket?.close(detail.code, detail.reason);
        for (const seq of [...this.#pulls.keys()]) {
            this.#fail(seq, closedError());
        }
        this.dispatchEvent(new CustomEvent("close", { detail: { ...detail, isFinal: true } }));
    }

    /* What the lost connection had taken will not be answered. */
    #failSent() {
        for (const [seq, pull] of [...this.#pulls]) {
            if (pull.isSent) {
                this.#fail(seq, closedError());
            }
        }
    }

    #send(text, seq = undefined) {
        if (this.isOpen) {
            this.#transmit(text, seq);
            return true;
        }
        if (this.#isClosed || this.#queue.length >= this.#options.queueMax) {
            return false;
        }
        this.#queue.push({ text, seq });
        return true;
    }

    #transmit(text, seq) {
        if (seq !== undefined) {
            this.#pulls.get(seq).isSent = true;
        }
        this.#socket.send(text);
    }

    #onMessage(socket, data) {
        if (socket !== this.#socket) {
            return;
        }
        this.#failures = 0;
        try {
            const packet = decode(data);

            if (packet.type === REPLY) {
                this.#onReply(packet);
            } else if (packet.type === PUSH) {
                this.#handlePush(packet);
            } else if (packet.type === PULL) {
                this.#handlePull(socket, packet);
            }
        } catch (error) {
            this.#complain(error);
        }
    }

    #onReply(packet) {
        const pull = this.#take(packet.seq);

        if (pull === undefined) {
            return;
        }
        if (packet.status.code !== Status.OK) {
            const { code, text, cause } = packet.status;

            pull.reject(new TeleportError(code, text, cause, packet.body));
        } else if (packet.bodyError !== undefined) {
            pull.reject(packet.bodyError);
        } else {
            pull.resolve(pull.full ? packet : packet.body);
        }
    }

    #handlePush(packet) {
        const handler = this.#pushRoutes.find(packet.path);

        if (packet.bodyError !== undefined) {
            this.#complain(packet.bodyError);
        } else if (handler !== undefined) {
            Promise.resolve(handler(packet.body, packet)).catch((error) => this.#complain(error));
        }
    }

    async #handlePull(socket, { seq, uri, path, ...packet }) {
        const reply = { seq, type: REPLY, uri };

        try {
            const handler = this.#pullRoutes.find(path);

            if (handler === undefined) {
                throw new TeleportError(Status.NOT_FOUND, "Not Found");
            }
            if (packet.bodyError !== undefined) {
                throw new TeleportError(Status.BAD_REQUEST, "Bad Request");
            }
            reply.body = await handler(packet.body, { seq, uri, path, ...packet });
        } catch (error) {
            const isOurs = error instanceof TeleportError;

            reply.body = isOurs ? error.body : undefined;
            reply.status = { code: isOurs ? error.code : Status.INTERNAL_ERROR, text: error.message };
            if (!isOurs) {
                this.#complain(error);
            }
        }
        if (socket.readyState === WebSocket.OPEN) {
            socket.send(encode(reply));
        }
    }

    #fail(seq, error) {
        this.#take(seq)?.reject(error);
    }

    /* The pull is not waited for any more. */
    #take(seq) {
        const pull = this.#pulls.get(seq);

        if (pull !== undefined) {
            this.#pulls.delete(seq);
            clearTimeout(pull.timer);
            pull.signal?.removeEventListener("abort", pull.onAbort);
        }
        return pull;
    }

    #complain(error) {
        this.dispatchEvent(new CustomEvent("error", { detail: error }));
    }
}

/* Handlers by path: exact ones first, then the longest prefix, then "*". */
class Routes {
    #exact = new Map();
    #prefixes = new Map();

    add(path, handler) {
        const isPrefix = path === "*" || path.endsWith("/*");
        const routes = isPrefix ? this.#prefixes : this.#exact;
        const key = isPrefix ? path.slice(0, -1) : path;

        routes.set(key, handler);
        return () => {
            if (routes.get(key) === handler) {
                routes.delete(key);
            }
        };
    }

    find(path) {
        let longest;

        if (this.#exact.has(path)) {
            return this.#exact.get(path);
        }
        for (const prefix of this.#prefixes.keys()) {
            if (path.startsWith(prefix) && (longest === undefined || prefix.length > longest.length)) {
                longest = prefix;
            }
        }
        return longest === undefined ? undefined : this.#prefixes.get(longest);
    }
}

/** A packet as the text of a message. */
export function encode({ seq, type, uri, body, codec = "json", meta, status }) {
    const isPlain = codec === "plain";
    const message = {
        seq,
        mtype: type,
        serviceMethod: uri,
        meta: encodePairs(meta),
        bodyCodec: body === undefined ? CODEC_NONE : isPlain ? CODEC_PLAIN : CODEC_JSON,
        body: body === undefined ? "" : isPlain ? String(body) : (JSON.stringify(body) ?? "null"),
        xferPipe: [],
    };

    if (status !== undefined) {
        message.status = encodePairs({ code: status.code, msg: status.text });
    }
    return JSON.stringify(message);
}

/**
 * The packet of a message: seq, type, uri, path, query, meta, status, codec, body; bodyError
 * where the body is not of its codec.
 */
export function decode(data) {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    const { seq = 0, mtype = 0, serviceMethod = "", meta = "", status = "", bodyCodec = 0,
            body = "" } = JSON.parse(text);
    const [path, query = ""] = serviceMethod.split(/\?(.*)/s);

    return {
        seq,
        type: mtype,
        uri: serviceMethod,
        path: decodePath(path),
        query: new URLSearchParams(query),
        meta: new URLSearchParams(meta),
        status: decodeStatus(status),
        codec: bodyCodec,
        ...decodeBody(bodyCodec, body),
    };
}

function decodePath(path) {
    try {
        return decodeURIComponent(path);
    } catch {
        return path;
    }
}

function decodeBody(codec, body) {
    if (body === "" && (codec === CODEC_NONE || codec === CODEC_JSON)) {
        return { body: undefined };
    }
    try {
        return { body: codec === CODEC_JSON ? JSON.parse(body) : body };
    } catch (bodyError) {
        return { body: undefined, bodyError };
    }
}

/* Without one, or with code 0, all is well. */
function decodeStatus(status) {
    const pairs = new URLSearchParams(status);
    const code = Number(pairs.get("code") ?? 0);

    return {
        code: code === 0 ? Status.OK : code,
        text: pairs.get("msg") ?? "",
        cause: pairs.get("cause") ?? "",
    };
}

/* { name: value } or { name: [value, value] } as "name=value&name=value". */
function encodePairs(pairs = {}) {
    return Object.entries(pairs)
        .flatMap(([name, values]) => [values].flat().map((value) =>
            `${encodeURIComponent(name)}=${encodeURIComponent(value)}`))
        .join("&");
}

function closedError() {
    return new TeleportError(Status.CONNECTION_CLOSED, "Connection Closed");
}
