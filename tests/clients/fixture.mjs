// Starts the harness server, which is no part of the chat: the protocol modules alone, with the
// handlers that the official protocol suites and the official clients' own tests expect of a
// server. Clients of it wait on events, too.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Socket as Engine } from "engine.io-client";
import { Client, deadline } from "./harness.mjs";

/** The executable: `HARNESS`, else the release build of this repository's example. */
const HARNESS = process.env.HARNESS
  ? resolve(process.env.HARNESS)
  : fileURLToPath(new URL("../../target/release/examples/harness", import.meta.url));

/**
 * A test with a harness server of its own on a free port. At its end the server must stop as it
 * should.
 */
export function withFixture(name, fixture, body) {
  test(name, async (t) => {
    const server = new Fixture(fixture);
    t.after(() => server.end());
    await server.start();
    await body(server, t);
  });
}

/** One harness server. Its clients are closed with it. */
export class Fixture {
  clients = new Set();
  output = "";

  constructor(name) {
    this.name = name;
  }

  async start() {
    const child = spawn(HARNESS, ["--fixture", this.name, "--port", "0", "--until-eof"], { stdio: "pipe" });
    this.child = child;
    this.exited = new Promise((done, failed) => {
      child.once("error", failed);
      child.once("close", (code, signal) => done({ code, signal }));
    });
    this.exited.catch(() => {});
    const ready = new Promise((done) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text) => {
          this.output += text;
          const line = /^listening on (\d+)$/m.exec(this.output);
          if (line) done(line[1]);
        });
      }
    });
    const ended = this.exited.then(({ code, signal }) => {
      throw new Error(`the harness ended with ${code ?? signal} instead of starting: ${this.output}`);
    });
    this.port = await deadline(Promise.race([ready, ended]), () => `the harness's start: ${this.output}`);
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** Ends its standard input, which must end it in order. */
  async end() {
    for (const client of this.clients) client.close();
    try {
      this.child.stdin.end();
      const { code, signal } = await deadline(this.exited, "the harness's end");
      assert.doesNotMatch(this.output, /panicked/);
      assert.equal(code ?? signal, 0, this.output);
    } finally {
      this.child.kill("SIGKILL");
    }
  }

  /** A stock Socket.IO client; `path` is its namespace, and may have a query. */
  client({ path = "", ...options } = {}) {
    return new Client(this, this.url + path, { reconnectionDelay: 10, ...options });
  }

  /** A connected one. */
  async connect(options) {
    const client = this.client(options);
    await client.connected();
    return client;
  }

  /** A stock Engine.IO client: `{engine, next, own}`. */
  engine(options = {}) {
    const client = new EngineClient(new Engine(this.url, options));
    this.clients.add(client);
    return client;
  }
}

/** The stock Engine.IO client, with its messages in a queue. */
class EngineClient {
  #messages = [];
  #awaited = [];

  constructor(engine) {
    this.engine = engine;
    engine.on("message", (data) => {
      const awaited = this.#awaited.shift();
      if (awaited) awaited(data);
      else this.#messages.push(data);
    });
  }

  get transport() {
    return this.engine.transport.name;
  }

  /** The next message; a failure where the client closes before. */
  next() {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    const message = new Promise((done, failed) => {
      this.#awaited.push(done);
      this.engine.once("close", (reason) => failed(new Error(`closed: ${reason}`)));
    });
    return deadline(message, "a message");
  }

  /** The next messages, `count` of them, in order. */
  async several(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Waits for one of the client's own events: open, upgrade, error, close. Gives its arguments. */
  own(event) {
    return args(this.engine, event);
  }

  close() {
    this.engine.close();
  }
}

/** Waits for an emitter's next event of this name and gives its arguments. */
export function args(emitter, event) {
  return deadline(new Promise((done) => emitter.once(event, (...all) => done(all))), event);
}

/** Bytes, whatever holds them. */
export function bytes(data) {
  assert.ok(data instanceof ArrayBuffer || ArrayBuffer.isView(data), `no bytes: ${JSON.stringify(data)}`);
  return data instanceof ArrayBuffer ? [...new Uint8Array(data)] : [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}
