// Stock clients that lose their server, and go on as if nothing had been.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { Server, ascending, deadline, freshFolder, withServer } from "./harness.mjs";

/** Comes back at once, so that a test of many returns is not one of patience. */
const EAGER = { reconnectionDelay: 1, reconnectionDelayMax: 20, randomizationFactor: 0 };

/** Numbers from a seed, so that a run that fails can be had again. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

for (const transports of [undefined, ["websocket"], ["polling"]]) {
  const kind = transports ? `by ${transports} alone` : "with default options";
  withServer(`a stock client ${kind} goes on over a kill -9 with what it missed, recovered`, async (server) => {
    const [ada, bob] = await server.users("ada", "bob");
    const a = await ada.connect(transports ? { transports } : {});
    const b = await bob.connect(transports ? { transports } : {});
    await a.send(bob, "one");
    await b.next("receive_message");
    const id = b.socket.id;

    const lost = b.own("disconnect");
    await server.kill();
    await lost;
    const back = b.own("connect");
    await server.start({ port: server.port });
    // Whoever is back first sends what the other then missed.
    const offline = await (await bob.server.user("cleo")).connect();
    const missed = [];
    for (const content of ["two", "three"]) missed.push(await offline.send(bob, content));
    await back;
    assert.equal(b.socket.recovered, true);
    assert.equal(b.socket.id, id);
    assert.deepEqual((await b.several("receive_message", 2)).map((message) => message.id), missed.map((message) => message.id));
    await offline.send(bob, "four");
    assert.equal((await b.next("receive_message")).content, "four");
    assert.equal(b.all("receive_message").length, 4);
  });
}

withServer("a client that had no event yet is recovered, and one that disconnected begins afresh", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect(EAGER);
  const b = await bob.connect(EAGER);
  const away = b.own("disconnect");
  b.socket.io.engine.close();
  await away;
  await Promise.all([b.own("connect"), a.send(bob, "missed")]);
  assert.equal(b.socket.recovered, true);
  assert.equal((await b.next("receive_message")).content, "missed");

  b.socket.disconnect();
  await a.send(bob, "while it was gone on purpose");
  b.socket.connect();
  await b.own("connect");
  assert.equal(b.socket.recovered, false);
  await a.send(bob, "and after");
  assert.equal((await b.next("receive_message")).content, "and after");
});

withServer("typing and presence do not carry or spoil the place", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect(EAGER);
  const b = await bob.connect(EAGER);
  await b.do("presence_subscribe", { user_ids: [ada.id] });
  await a.send(bob, "before");
  await a.do("typing", { receiver_id: bob.id, is_typing: true });
  await b.next("typing");
  b.socket.io.engine.close();
  await Promise.all([b.own("connect"), a.send(bob, "missed")]);
  assert.equal(b.socket.recovered, true);
  await b.next("receive_message", ({ content }) => content === "missed");
  assert.equal(b.all("receive_message").length, 2);
});

// Found: an event that was committed when a client caught up, and broadcast only after that,
// reached it twice.
test("500 times a connection or the server is killed under traffic, and nobody misses or doubles anything", async (t) => {
  const ROUNDS = 500;
  const draw = random(20_261_122);
  const server = new Server(join(await freshFolder(t), "chat.redb"), { flags: ["--rate-limit", "off"] });
  t.after(() => server.end());
  await server.start();
  const people = await server.users("ada", "bob", "cleo");
  const clients = await Promise.all(
    [0, 1, 2, 0, 1, 2].map((person) => people[person].connect({ ...EAGER, transports: draw(2) ? ["websocket"] : ["polling", "websocket"] })),
  );
  let fresh = 0;
  clients.forEach(({ socket }) => socket.on("connect", () => (fresh += socket.recovered ? 0 : 1)));
  const sent = [];
  let number = 0;
  let stopped = false;
  const senders = clients.map(async (client, at) => {
    while (!stopped) {
      const receiver = people[(at + 1 + draw(2)) % 3];
      const content = `${number++}`;
      const payload = { receiver_id: receiver.id, content, client_id: content };
      for (let tries = 0, done = false; !done; tries++) {
        assert.ok(tries < 100, `no answer to ${content}`);
        try {
          const answer = await client.socket.timeout(2_000).emitWithAck("send_message", payload);
          assert.equal(answer.success, true, JSON.stringify(answer));
          sent.push(answer.data.id);
          done = true;
        } catch (error) {
          // Not known: the same client id asks again.
          if (error.code === "ERR_ASSERTION") throw error;
        }
      }
    }
  });
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 20 === 19) {
      await server.kill();
      await server.start({ port: server.port });
    } else {
      const { socket } = clients[draw(clients.length)];
      if (socket.connected) {
        // A close() while it changes to a WebSocket waits for that, and then comes before what the
        // last poll brought is emitted: the client emits that when it is back, and asks for it once
        // more, too. One with something yet to be sent waits for that, and so may come to wait for
        // the change. No network is lost so.
        const isBusy = () => socket.io.engine.upgrading || socket.io.engine.writeBuffer.length > 0;
        while (isBusy()) await new Promise(setImmediate);
        if (!socket.connected) continue;
        const back = new Promise((done) => socket.once("connect", done));
        socket.io.engine.close();
        await deadline(back, "a client's return");
      }
    }
  }
  stopped = true;
  await deadline(Promise.all(senders), "the last answers");
  assert.equal(fresh, 0, "everybody was recovered, every time");
  assert.equal(new Set(sent).size, number, "every message was stored once");

  for (const [at, client] of clients.entries()) {
    const person = people[at % 3];
    const truth = { receive_message: [], message_sent: [] };
    for (const peer of people) {
      if (peer === person) continue;
      for (const row of await person.history(peer)) {
        truth[row.sender_id === person.id ? "message_sent" : "receive_message"].push(row.id);
      }
    }
    for (const [event, ids] of Object.entries(truth)) {
      ids.sort((left, right) => left - right);
      for (let heard = client.all(event).length; heard < ids.length; heard = client.all(event).length) await client.next(event, (_) => true);
      // A retry that found its message stored is told of it again, to itself alone and without a
      // cursor.
      const heard = client.all(event).map(({ id }) => id);
      const once = event === "message_sent" ? [...new Set(heard)] : heard;
      assert.deepEqual([...once].sort((left, right) => left - right), ids, `${event} of client ${at}`);
      if (event === "receive_message") ascending(heard);
    }
  }
});

test("with retries and a network that swallows a third of the acks, each message is stored once", async (t) => {
  const draw = random(7);
  const server = new Server(join(await freshFolder(t), "chat.redb"), { flags: ["--rate-limit", "off"] });
  t.after(() => server.end());
  await server.start();
  const [ada, bob] = await server.users("ada", "bob");
  const proxy = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => {
    for (const client of proxy.clients) client.terminate();
    proxy.close();
  });
  proxy.on("connection", (near, request) => {
    const far = new WebSocket(`ws://127.0.0.1:${server.port}${request.url}`);
    const waiting = [];
    near.on("message", (data, binary) => (far.readyState === WebSocket.OPEN ? far.send(data, { binary }) : waiting.push([data, binary])));
    far.on("open", () => waiting.forEach(([data, binary]) => far.send(data, { binary })));
    far.on("message", (data, binary) => {
      if (!binary && data.toString().startsWith("43") && draw(10) < 3) return;
      near.send(data, { binary });
    });
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on("close", () => other.terminate());
      one.on("error", () => other.terminate());
    }
  });
  await new Promise((done) => (proxy.address() ? done() : proxy.once("listening", done)));
  const client = ada.client({
    ...EAGER,
    transports: ["websocket"],
    retries: 50,
    ackTimeout: 150,
    // The proxy may take a connection that the server it stands for is too dead to take.
    timeout: 500,
    through: proxy.address().port,
  });
  await client.connected();
  const COUNT = 60;
  const answers = [];
  for (let number = 0; number < COUNT; number++) {
    const payload = { receiver_id: bob.id, content: `${number}`, client_id: `c${number}` };
    answers.push(new Promise((done, failed) => client.socket.emit("send_message", payload, (error, answer) => (error ? failed(error) : done(answer)))));
    if (number % 20 === 10) {
      await answers.at(-5);
      await server.kill();
      await server.start({ port: server.port });
    }
  }
  const ids = (await deadline(Promise.all(answers), "every answer")).map((answer) => answer.data.id);
  assert.equal(new Set(ids).size, COUNT);
  const stored = await bob.history(ada);
  assert.deepEqual(stored.map(({ content }) => content), [...Array(COUNT).keys()].map(String));
  assert.deepEqual(stored.map(({ id }) => id), ids);
});

withServer("fifty sends of one client id at once make one message and get one answer", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const clients = await Promise.all([ada.connect(), ada.connect(), ada.connect()]);
  const b = await bob.connect();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => clients[at % 3].send(bob, "once", { client_id: "same" })),
  );
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  await clients[0].settle(bob);
  await b.next("receive_message", ({ content }) => content === "so far");
  assert.equal(b.all("receive_message").filter(({ content }) => content === "once").length, 1);
  assert.equal((await bob.history(ada)).length, 2);
});

withServer("reads on one device clear the badge of the others, live and after catching up", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const [live, away] = await Promise.all([bob.connect(EAGER), bob.connect(EAGER)]);
  const last = await a.send(bob, "read me");
  await Promise.all([live, away].map((device) => device.next("receive_message")));
  const reader = await bob.connect();
  const lost = away.own("disconnect");
  away.socket.io.engine.close();
  await lost;
  const back = away.own("connect");
  await reader.do("mark_chat_as_read", { user_id: ada.id });
  const wanted = { reader_id: bob.id, peer_id: ada.id, up_to: last.id };
  assert.deepEqual(await live.next("chat_read"), wanted);
  await back;
  assert.deepEqual(await away.next("chat_read"), wanted);
  assert.equal((await bob.get("/api/chats/unread")).meta.total, 0);
});
