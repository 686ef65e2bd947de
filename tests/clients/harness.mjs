// Starts the server's executable, people on it, and stock clients of theirs. Everything here waits
// on an event: a log line, a packet, an exit. The deadline only ends a test that has failed
// already.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { io as latest } from "socket.io-client";
import { Documents } from "./documented.mjs";

/** The executable under test: `CHATD`, else the release build of this repository. */
export const CHATD = process.env.CHATD
  ? resolve(process.env.CHATD)
  : fileURLToPath(new URL("../../target/release/chatd", import.meta.url));

/** Far longer than anything here takes, so that it ends nothing but a wait in vain. */
const DEADLINE_MS = 30_000;

/** Where strangers register, people are found by their whole names alone, unless said otherwise. */
const EVERYONE = ["--directory", "everyone"];

export const PASSWORD = "correct horse battery";
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** The promise, or a failure that says what was awaited. */
export function deadline(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${describe(what)}`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const describe = (what) => (typeof what === "function" ? what() : what);

/** Every documented key is there; more are allowed. */
export function hasKeys(object, ...keys) {
  assert.ok(object !== null && typeof object === "object" && !Array.isArray(object), `no object: ${JSON.stringify(object)}`);
  for (const key of keys) {
    assert.ok(Object.hasOwn(object, key) && object[key] !== undefined, `no ${key} in ${JSON.stringify(object)}`);
  }
}

export function ascending(ids) {
  ids.slice(1).forEach((id, at) => assert.ok(id > ids[at], `${id} came after ${ids[at]}`));
}

/**
 * A test with a server of its own: a free port, a fresh folder. At its end the server must stop as
 * it should.
 */
export function withServer(name, options, body = options) {
  test(name, async (t) => {
    let server;
    // Registered first, so that the server has ended before its folder goes.
    t.after(() => server?.end());
    const folder = await freshFolder(t);
    server = new Server(join(folder, "chat.redb"), typeof options === "function" ? {} : options);
    await server.start();
    await body(server, t);
  });
}

/**
 * A folder that is gone after the test; what a server that ended badly leaves is kept, as evidence.
 */
export async function freshFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), "chatd-test-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Runs the executable, without the flags that the caller's own environment may hold; with
 * `fileBlocks` no file of its may grow beyond so many KiB, as on a full disk.
 */
export function launch(flags, { cwd = tmpdir(), fileBlocks } = {}) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CHATD_")));
  const bounded = ["-c", `trap '' XFSZ; ulimit -S -f ${fileBlocks}; exec "$@"`, "bash", CHATD, ...flags];
  const [program, args] = fileBlocks === undefined ? [CHATD, flags] : ["bash", bounded];
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const run = { child, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (run.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (run.stderr += text));
  run.exited = new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", (code, signal) => done({ code, signal }));
  });
  // Whoever awaits it hears of a failure; until then it is no unhandled one.
  run.exited.catch(() => {});
  return run;
}

/** Runs the executable to its end: `{code, stdout, stderr}`. */
export async function runToEnd(flags, cwd) {
  const run = launch(flags, { cwd });
  try {
    const { code, signal } = await deadline(run.exited, () => `the end of chatd ${flags.join(" ")}: ${run.stderr}`);
    return { code, signal, stdout: run.stdout, stderr: run.stderr };
  } finally {
    run.child.kill("SIGKILL");
  }
}

/** What the executable documents: what is heard of any server here is held against it. */
let documented;

/** One server process and the next ones on the same data. */
export class Server {
  clients = new Set();
  names = 0;

  constructor(data, { registration = "open", flags = [] } = {}) {
    this.data = data;
    this.registration = registration;
    this.flags = flags;
  }

  /** Starts it and waits for the line that says where to go. */
  async start({ port = 0, fileBlocks } = {}) {
    const flags = ["--port", port, "--data", this.data, "--registration", this.registration, ...EVERYONE, ...this.flags].map(String);
    const run = launch(flags, { fileBlocks });
    this.run = run;
    const ready = new Promise((done) => {
      const look = () => {
        const link = /(http:\/\/127\.0\.0\.1:(\d+))\/(?:\?setup=([^\s\x1b]+))?/.exec(run.stderr);
        if (link && run.stderr.indexOf("\n", link.index) >= 0) done(link);
      };
      run.child.stderr.on("data", look);
    });
    const ended = run.exited.then(({ code, signal }) => {
      throw new Error(`the server ended with ${code ?? signal} instead of starting: ${run.stderr}`);
    });
    const link = await deadline(Promise.race([ready, ended]), () => `the server's start: ${run.stderr}`);
    [, this.url, this.port, this.setupCode] = link;
    this.port = Number(this.port);
    await this.readDocuments();
  }

  /** Asks it to stop; it must do so by itself and in order. */
  async stop(signal = "SIGTERM", { mayComplain = false } = {}) {
    this.run.child.kill(signal);
    await this.hasStopped({ mayComplain });
  }

  async hasStopped({ mayComplain = false } = {}) {
    const { code, signal } = await deadline(this.run.exited, () => `the server's stop: ${this.run.stderr}`);
    if (!mayComplain) this.isSound();
    assert.equal(code ?? signal, 0, `the server's exit code; it said: ${this.run.stderr}`);
  }

  /** `kill -9`: no chance to tidy up. */
  async kill() {
    this.run.child.kill("SIGKILL");
    const { signal } = await deadline(this.run.exited, "the server's death");
    assert.equal(signal, "SIGKILL");
    this.isSound();
  }

  /** Nothing in the log says that the server itself went wrong. */
  isSound() {
    assert.doesNotMatch(this.run.stderr, /panicked| ERROR /);
  }

  /** Ends it; a server whose disk failed may have said so in its log. */
  async end({ mayComplain = false } = {}) {
    for (const client of this.clients) client.close();
    if (!this.run) return;
    const { child } = this.run;
    try {
      if (child.exitCode === null && child.signalCode === null) await this.stop(undefined, { mayComplain });
    } finally {
      child.kill("SIGKILL");
    }
  }

  /** From now on what it says is held against what it documents. To be called once it answers. */
  async readDocuments() {
    this.documents = await (documented ??= Documents.of(this.url));
  }

  /**
   * One request: `{status, headers, text, body}`; `body` is the parsed JSON, where there is some.
   */
  async request(method, path, { token, body, headers = {} } = {}) {
    const all = { ...headers };
    if (token !== undefined) all.authorization ??= `Bearer ${token}`;
    if (body !== undefined) all["content-type"] ??= "application/json";
    const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const asked = fetch(this.url + path, { method, headers: all, body: payload });
    const response = await deadline(asked, `an answer to ${method} ${path}`);
    const text = await deadline(response.text(), `the body of the answer to ${method} ${path}`);
    const json = response.headers.get("content-type")?.includes("json") && text !== "";
    const answer = { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : undefined };
    this.documents.reply(method, path, answer);
    return answer;
  }

  /** Makes an account and logs it in. */
  async user(username, extra = {}) {
    const answer = await this.request("POST", "/api/auth/register", { body: { username, password: PASSWORD, ...extra } });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.body.success, true);
    return new User(this, answer.body.data);
  }

  users(...names) {
    return Promise.all(names.map((name) => this.user(name)));
  }
}

/** A person with a token. */
export class User {
  constructor(server, { token, expires_at, user }) {
    Object.assign(this, { server, token, expiresAt: expires_at, id: user.id, username: user.username, account: user });
  }

  request(method, path, options = {}) {
    return this.server.request(method, path, { token: this.token, ...options });
  }

  /** The answer of a GET that must succeed: `{success, data, meta}`. */
  async get(path) {
    const { status, body, text } = await this.request("GET", path);
    assert.equal(status, 200, `GET ${path}: ${text}`);
    assert.equal(body.success, true, `GET ${path}: ${text}`);
    return body;
  }

  /** The whole conversation with somebody, ascending, page by page. */
  async history(peer) {
    const all = [];
    for (let more = true; more; ) {
      const before = all.length > 0 ? `&before=${all[0].id}` : "";
      const { data, meta } = await this.get(`/api/chats/history/${peer.id}?limit=500${before}`);
      all.unshift(...data);
      more = meta.has_more;
    }
    return all;
  }

  /** A stock client with this person's token, connected. */
  async connect(options = {}) {
    const client = this.client(options);
    await client.connected();
    return client;
  }

  /**
   * A stock client with this person's token; `path` may name a namespace, `through` the port of a
   * proxy, `at` the whole URL of one.
   */
  client({ path = "", through, at, ...options } = {}) {
    const url = at ?? (through === undefined ? this.server.url : `http://127.0.0.1:${through}`);
    return new Client(this.server, url + path, { auth: { token: this.token }, ...options });
  }
}

/** The stock client, the latest or the one given as `io`, with a record of what it heard. */
export class Client {
  heard = [];
  #awaited = new Set();

  constructor(server, url, { io = latest, ...options } = {}) {
    this.socket = io(url, { forceNew: true, ...options });
    server.clients.add(this);
    this.documents = server.documents;
    this.socket.onAny((event, payload, ...more) => {
      this.documents?.event(event, [payload, ...more]);
      this.heard.push({ event, payload, taken: false });
      for (const look of this.#awaited) look();
    });
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }

  /** Ends it for good, with whatever other namespaces its connection has. */
  close() {
    this.socket.io.reconnection(false);
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }

  /**
   * Waits for one of the client's own events: connect, connect_error, disconnect. Gives its first
   * argument.
   */
  own(event, emitter = this.socket) {
    return deadline(new Promise((done) => emitter.once(event, done)), `the client's ${event}`);
  }

  async connected() {
    const { socket } = this;
    if (socket.connected) return;
    await deadline(
      new Promise((done, failed) => {
        socket.once("connect", done);
        socket.once("connect_error", failed);
      }),
      "a connection",
    );
  }

  /** Waits until the refusal and gives the error. */
  refused() {
    const { socket } = this;
    return deadline(
      new Promise((done, failed) => {
        socket.once("connect_error", done);
        socket.once("connect", () => failed(new Error("connected, and should not have been")));
      }),
      "a refusal",
    );
  }

  /**
   * The payload of the first event of this name (and matching) that was not given out yet; waits
   * for it if need be.
   */
  next(event, matches = () => true) {
    let look;
    const found = new Promise((done) => {
      look = () => {
        const hit = this.heard.find((entry) => !entry.taken && entry.event === event && matches(entry.payload));
        if (!hit || look.done) return;
        look.done = true;
        hit.taken = true;
        this.#awaited.delete(look);
        done(hit.payload);
      };
      this.#awaited.add(look);
      look();
    });
    return deadline(found, () => `${event}; heard ${JSON.stringify(this.heard).slice(0, 2_000)}`).finally(() =>
      this.#awaited.delete(look),
    );
  }

  /** The payloads of the next `count` events of this name. */
  async several(event, count) {
    const payloads = [];
    while (payloads.length < count) payloads.push(await this.next(event));
    return payloads;
  }

  /** The payloads of every event of this name so far. */
  all(event) {
    return this.heard.filter((entry) => entry.event === event).map((entry) => entry.payload);
  }

  /** Emits with a callback and gives the one object that it gets. */
  ask(event, ...args) {
    const asked = new Promise((done) => this.socket.emit(event, ...args, (...answer) => done(answer)));
    return deadline(asked, `the ack of ${event}`).then((answer) => {
      assert.equal(answer.length, 1, `an ack is one object, not ${JSON.stringify(answer)}`);
      this.documents?.ack(event, args, answer[0]);
      return answer[0];
    });
  }

  /** Emits what must succeed and gives the ack's data. */
  async do(event, payload) {
    const answer = await this.ask(event, payload);
    assert.equal(answer?.success, true, `${event}: ${JSON.stringify(answer)}`);
    hasKeys(answer, "data");
    return answer.data;
  }

  /** Emits what must fail and gives the ack's error. */
  async fail(event, ...args) {
    const answer = await this.ask(event, ...args);
    assert.equal(answer?.success, false, `${event} ${JSON.stringify(args)}: ${JSON.stringify(answer)}`);
    hasKeys(answer, "error");
    hasKeys(answer.error, "code", "message");
    assert.equal(typeof answer.error.message, "string");
    return answer.error;
  }

  /** Emits without a callback. */
  tell(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Sends a message and gives the ack's data. */
  send(receiver, content, more = {}) {
    return this.do("send_message", { receiver_id: receiver.id, content, ...more });
  }

  /**
   * Everything that was on its way to this socket has arrived: its own later message, which takes
   * the same way, has. What has not been heard by then was not sent.
   */
  async settle(peer) {
    const { id } = await this.send(peer, "so far");
    await this.next("message_sent", (payload) => payload.id === id);
  }
}
