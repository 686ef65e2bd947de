// A restart under load with a socket that somebody else holds: nobody is refused, nothing is lost,
// all come back.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CHATD, Server, deadline, freshFolder } from "./harness.mjs";

const RESTARTS = 3;
const ACTIVATOR = fileURLToPath(new URL("activator.py", import.meta.url));

/** A server behind the activator: `stop()` of its process is followed by the next one's start. */
class Activated extends Server {
  lives = [];

  async start() {
    const flags = ["--data", this.data, "--registration", "open", "--rate-limit", "off"];
    this.activator = spawn("python3", [ACTIVATOR, CHATD, ...flags], { stdio: ["pipe", "pipe", "pipe"] });
    this.ended = new Promise((done) => this.activator.once("close", done));
    const lines = createInterface({ input: this.activator.stdout });
    lines.on("line", (line) => {
      if (!this.port) this.port = Number(line);
      else this.lives.push(Number(line));
    });
    this.log = "";
    const begun = new Promise((done) => {
      this.activator.stderr.setEncoding("utf8").on("data", (text) => {
        this.log += text;
        if (this.log.includes("http://")) done();
      });
    });
    await deadline(begun, () => `the start: ${this.log}`);
    this.url = `http://127.0.0.1:${this.port}`;
    await this.readDocuments();
  }

  restart() {
    process.kill(this.lives.at(-1), "SIGTERM");
  }

  async end() {
    for (const client of this.clients) client.close();
    this.activator.stdin.end();
    await deadline(this.ended, "the activator's end");
    assert.doesNotMatch(this.log, /panicked| ERROR | WARN /);
  }
}

/** Asks for the server's health on a connection of its own; gives the milliseconds that it took. */
function knock(port) {
  return new Promise((done, failed) => {
    const began = performance.now();
    const socket = connect(port, "127.0.0.1", () => socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    let answer = "";
    socket.setEncoding("utf8").on("data", (text) => (answer += text));
    socket.on("error", failed);
    socket.on("close", () => {
      if (answer.startsWith("HTTP/1.1 200")) done(performance.now() - began);
      else failed(new Error(`it answered ${JSON.stringify(answer)}`));
    });
  });
}

test("a restart under load refuses nobody, loses nothing, and stock clients come back by themselves", async (t) => {
  let server;
  t.after(() => server?.end());
  server = new Activated(join(await freshFolder(t), "chat.redb"));
  await server.start();
  const [ada, bob] = await server.users("ada", "bob");

  const transports = [["websocket"], ["polling"], ["websocket"], ["polling"]];
  const gaps = [];
  const clients = await Promise.all(
    transports.map(async (transports, at) => {
      const client = await (at < 2 ? ada : bob).connect({ transports, retries: 20, ackTimeout: 5_000 });
      let lost;
      client.returns = 0;
      client.socket.on("disconnect", () => (lost = performance.now()));
      client.socket.on("connect", () => {
        gaps.push(performance.now() - lost);
        client.returns++;
        client.cameBack?.();
      });
      return client;
    }),
  );
  let over = false;
  const sent = [];
  const refused = [];
  const talking = clients.map(async (client, at) => {
    const receiver = at < 2 ? bob : ada;
    for (let number = 0; !over; number++) {
      const payload = { receiver_id: receiver.id, content: `${at}.${number}`, client_id: `${at}.${number}` };
      for (let done = false; !done; ) {
        const answer = await new Promise((done) => client.socket.emit("send_message", payload, (error, answer) => done(error ?? answer)));
        done = answer.success === true;
        // A server that closes its file says so, and the same client id settles it.
        if (!done) refused.push(answer.error?.code ?? String(answer));
      }
      sent.push(payload.content);
    }
  });
  const waits = [];
  const knocking = (async () => {
    while (!over) waits.push(await knock(server.port));
  })();

  for (let restart = 1; restart <= RESTARTS; restart++) {
    const back = clients.map(
      (client) => new Promise((done) => (client.cameBack = () => client.returns >= restart && done())),
    );
    server.restart();
    await deadline(Promise.all(back), () => `everybody's return; so far ${clients.map(({ returns }) => returns)}`);
  }
  over = true;
  await deadline(Promise.all([...talking, knocking]), () => `the last acks; refused were ${refused}`);

  assert.equal(server.lives.length, RESTARTS + 1);
  const stored = (await ada.history(bob)).map(({ content }) => content);
  assert.deepEqual([...stored].sort(), [...sent].sort(), "what was confirmed is stored, once");
  for (const at of clients.keys()) {
    const own = stored.filter((content) => content.startsWith(`${at}.`)).map((content) => Number(content.split(".")[1]));
    assert.deepEqual(own, [...own.keys()], "in order");
  }
  for (const code of refused) assert.match(code, /^(storage_unavailable|Error: operation has timed out)$/);
  for (const client of clients) assert.equal(client.socket.recovered, true);
  const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1].toFixed(0);
  t.diagnostic(
    `${RESTARTS} restarts, ${sent.length} messages: a new connection waited ${Math.max(...waits).toFixed(0)} ms at most ` +
      `(of ${waits.length}), a stock client was away for ${middle(gaps)} ms (${Math.min(...gaps).toFixed(0)} to ${Math.max(...gaps).toFixed(0)})`,
  );
});
