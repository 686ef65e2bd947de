// Hooks, with the stock library of Standard Webhooks at the other end: signatures, and each event
// at least once and in order though the server is killed and the receiver fails at random.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";
import { deadline, withServer } from "./harness.mjs";

const flags = ["--hook-private", "--hook-direct"];

/** Numbers from 0 to 1, the same at each run. */
function numbers(seed) {
  return () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** Another system: what it was told, in order, and how it answers. */
class Receiver {
  told = [];
  #waiting = new Set();

  /** @param {(told: object) => number} answer a status; 0 hangs up */
  constructor(answer = () => 204) {
    this.answer = answer;
  }

  async listen(t) {
    this.server = createServer(async (request, response) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      const text = Buffer.concat(parts).toString();
      const told = { text, headers: request.headers, id: request.headers["webhook-id"], ...JSON.parse(text) };
      const status = this.answer(told);
      this.told.push({ ...told, status });
      for (const look of this.#waiting) look();
      if (status === 0) return void request.socket.destroy();
      response.writeHead(status).end();
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    t.after(() => this.server.close());
    t.after(() => this.server.closeAllConnections());
    this.url = `http://127.0.0.1:${this.server.address().port}/told`;
    return this;
  }

  /** Waits until what was told is as `isEnough` says. */
  until(isEnough, what) {
    const seen = new Promise((done) => {
      const look = () => {
        if (!isEnough(this.told)) return;
        this.#waiting.delete(look);
        done(this.told);
      };
      this.#waiting.add(look);
      look();
    });
    return deadline(seen, what);
  }
}

/** An administrator, and what they ask for. */
async function administrator(server) {
  const root = await server.user("root", { invite: server.setupCode });
  const ask = async (method, path, body) => {
    const answer = await root.request(method, path, { body });
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body?.data;
  };
  return { root, ask };
}

withServer("the stock library verifies what a hook tells, and nothing else", { flags }, async (server, t) => {
  const { root, ask } = await administrator(server);
  const [ada, bob] = await server.users("ada", "bob");
  const receiver = await new Receiver().listen(t);
  const { secret } = await ask("POST", "/api/admin/hooks/out", { url: receiver.url });
  const a = await ada.connect();
  const sent = await a.send(bob, "Halo, dunia! 👋");
  await receiver.until((told) => told.some(({ type }) => type === "direct_message"), "the message");
  const { text, headers, data, offline } = receiver.told.find(({ type }) => type === "direct_message");
  const webhook = new Webhook(secret);
  assert.deepEqual(webhook.verify(text, headers).data, data);
  assert.equal(data.id, sent.id);
  assert.deepEqual(offline, [bob.id]);
  assert.throws(() => webhook.verify(text.replace("Halo", "Hola"), headers));
  assert.throws(() => webhook.verify(text, { ...headers, "webhook-id": "1-1" }));
  assert.throws(() => new Webhook(`whsec_${Buffer.alloc(32).toString("base64")}`).verify(text, headers));
  assert.ok(root);
});

withServer("each event is told in order, though the server is killed and the receiver fails at random", { flags }, async (server, t) => {
  const random = numbers(42);
  const { root, ask } = await administrator(server);
  const receiver = await new Receiver(() => [500, 0][Math.floor(random() * 20)] ?? 200).listen(t);
  const rooms = [];
  for (let number = 0; number < 6; number++) rooms.push((await ask("POST", "/api/rooms", { name: `room ${number}` })).id);
  const { secret } = await ask("POST", "/api/admin/hooks/out", { url: receiver.url, events: ["room_message"] });
  const confirmed = new Map(rooms.map((room) => [room, []]));
  for (let life = 0; life < 5; life++) {
    const socket = await root.connect({ auth: { token: root.token, v: 2 }, reconnection: false });
    for (let number = 0; number < 30; number++) {
      const room_id = rooms[Math.floor(random() * rooms.length)];
      const { id } = await socket.do("send_message", { room_id, content: `${life}.${number}` });
      confirmed.get(room_id).push(id);
    }
    await server.kill();
    await server.start();
  }
  const all = [...confirmed.values()].flat();
  const isTold = (told) => {
    const ids = new Set(told.filter(({ status }) => status >= 200 && status < 300).map(({ data }) => data.id));
    return all.every((id) => ids.has(id));
  };
  await receiver.until(isTold, () => `${all.length} events`);
  // By its id each counts once, and in the order of its room.
  const seen = new Set();
  const accepted = receiver.told.filter(({ id, status }) => status >= 200 && status < 300 && !seen.has(id) && seen.add(id));
  for (const [room, ids] of confirmed) {
    assert.deepEqual(accepted.filter(({ data }) => data.room_id === room).map(({ data }) => data.id), ids);
  }
  assert.equal(new Set(receiver.told.map(({ data }) => data.id)).size, seen.size, "an event has one id");
  const webhook = new Webhook(secret);
  for (const { text, headers } of receiver.told.slice(-20)) webhook.verify(text, headers);
});
