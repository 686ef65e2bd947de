// What was confirmed outlives the process, however it ends.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { Server, ascending, deadline, freshFolder, withServer } from "./harness.mjs";

withServer("a confirmed message is in the history after kill -9", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect({ reconnection: false });
  const sent = await a.send(bob, "confirmed", { client_id: "mine" });
  await server.kill();

  await server.start();
  const [row, ...more] = await bob.history(ada);
  assert.deepEqual([row.id, row.content, row.created_at, row.is_read], [sent.id, "confirmed", sent.created_at, false]);
  assert.deepEqual(more, []);
});

withServer("everything heard of before kill -9 under load is there after it", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const options = { reconnection: false, transports: ["websocket"] };
  const [a, b] = await Promise.all([ada.connect(options), bob.connect(options)]);
  const heard = new Map();
  const remember = ({ id, content }) => heard.set(id, content);
  let received = 0;
  a.socket.on("message_sent", remember);
  const half = new Promise((done) =>
    b.socket.on("receive_message", (message) => {
      remember(message);
      if (++received === 100) {
        // At once, while others are still on their way to the disk.
        server.run.child.kill("SIGKILL");
        done();
      }
    }),
  );
  const gone = Promise.all([a.own("disconnect"), b.own("disconnect")]);
  for (let number = 0; number < 1_000; number++) {
    a.socket.emit("send_message", { receiver_id: bob.id, content: `number ${number}` }, (answer) => {
      if (answer.success) remember(answer.data);
    });
  }
  await deadline(half, "100 messages");
  await gone;
  await server.kill();

  await server.start();
  const stored = new Map((await bob.history(ada)).map(({ id, content }) => [id, content]));
  assert.ok(heard.size >= 100);
  for (const [id, content] of heard) assert.equal(stored.get(id), content, `message ${id} was confirmed and is lost`);
  assert.equal(new Set(stored.values()).size, stored.size, "nothing is stored twice");
});

withServer("kill -9 again and again loses nothing confirmed and keeps ids ascending", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const confirmed = [];
  for (let life = 0; life < 5; life++) {
    const a = await ada.connect({ reconnection: false });
    for (let number = 0; number < 3; number++) confirmed.push((await a.send(bob, `${life}.${number}`)).id);
    await server.kill();
    await server.start();
  }
  ascending(confirmed);
  assert.deepEqual((await ada.history(bob)).map(({ id }) => id), confirmed);
});

withServer("what was marked read stays read after kill -9", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect({ reconnection: false });
  const b = await bob.connect({ reconnection: false });
  const sent = [];
  for (const content of ["one", "two", "three", "four"]) sent.push((await a.send(bob, content)).id);
  await b.do("mark_chat_as_read", { user_id: ada.id, up_to: sent[1] });
  await b.do("mark_as_read", { message_id: sent[3] });
  await server.kill();

  await server.start();
  assert.deepEqual((await ada.history(bob)).map(({ is_read }) => is_read), [true, true, false, true]);
  const unread = await bob.get("/api/chats/unread");
  assert.deepEqual([unread.data.map(({ id }) => id), unread.meta.total], [[sent[2]], 1]);
  assert.equal((await bob.get("/api/chats")).data[0].unread_count, 1);
});

withServer("a client_id sent again after kill -9 gives the message it stands for", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const before = await ada.connect({ reconnection: false });
  const first = await before.send(bob, "once", { client_id: "mine" });
  await server.kill();

  await server.start();
  const after = await ada.connect({ reconnection: false });
  const b = await bob.connect();
  assert.deepEqual(await after.send(bob, "once", { client_id: "mine" }), first);
  assert.equal((await after.fail("send_message", { receiver_id: bob.id, content: "x", client_id: "mine" })).code, "client_id_reused");
  assert.deepEqual((await ada.history(bob)).map(({ id }) => id), [first.id]);
  await b.settle(ada);
  assert.deepEqual(b.all("receive_message"), [], "nor is the receiver told again");
});

withServer("accounts and their tokens outlive kill -9", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  await server.kill();

  await server.start();
  assert.equal((await ada.get("/api/auth/me")).data.id, ada.id);
  const cleo = await server.user("cleo");
  assert.ok(cleo.id > Math.max(ada.id, bob.id), "no id is given twice");
});

withServer("SIGTERM under load exits with 0, and every acked message is in the history after the restart", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const links = [
    [ada, bob, "websocket"],
    [ada, bob, "polling"],
    [bob, ada, "websocket"],
    [eve, bob, "websocket"],
  ];
  const clients = await Promise.all(
    links.map(([user, , transport]) => user.connect({ transports: [transport], reconnection: false })),
  );
  const acked = [];
  const refusals = [];
  const gone = Promise.all(clients.map((client) => client.own("disconnect")));
  let stopped = false;
  const enough = new Promise((done) => {
    clients.forEach((client, at) => {
      const [sender, receiver] = links[at];
      let number = 0;
      // Ten at a time from each, the next as soon as one is answered, until the connection is gone.
      const next = () => {
        if (stopped) return;
        const content = `${at}.${number++}`;
        client.socket.emit("send_message", { receiver_id: receiver.id, content }, (answer) => {
          if (answer.success) acked.push({ sender, receiver, id: answer.data.id, content });
          else refusals.push(answer.error.code);
          if (acked.length === 300) done();
          next();
        });
      };
      for (let parallel = 0; parallel < 10; parallel++) next();
    });
  });
  await deadline(enough, () => `300 acks; there are ${acked.length}, and refusals: ${refusals}`);
  const exit = server.stop();
  await gone;
  stopped = true;
  await exit;

  await server.start();
  const stored = new Map();
  for (const [user, peer] of [[ada, bob], [eve, bob]]) {
    for (const row of await user.history(peer)) stored.set(row.id, row);
  }
  for (const { sender, receiver, id, content } of acked) {
    const row = stored.get(id);
    assert.ok(row, `message ${id} was acked and is lost`);
    assert.deepEqual([row.sender_id, row.receiver_id, row.content], [sender.id, receiver.id, content]);
  }
});

test("a full disk refuses messages, is read on, and takes them again once there is room, without a restart", async (t) => {
  const server = new Server(join(await freshFolder(t), "chat.redb"));
  t.after(() => server.end({ mayComplain: true }));
  await server.start({ fileBlocks: 2_048 });
  const [ada, bob] = await server.users("ada", "bob");
  const [a, b] = await Promise.all([ada.connect(), bob.connect()]);
  const acked = [];
  let refused;
  for (let number = 0; refused === undefined; number++) {
    const content = `${number} ${"x".repeat(3_000)}`;
    const answer = await a.ask("send_message", { receiver_id: bob.id, content, client_id: `${number}` });
    if (answer.success) acked.push(answer.data);
    else refused = { number, content, error: answer.error };
  }
  assert.equal(refused.error.code, "storage_unavailable");
  assert.ok(acked.length > 100);
  const stored = (await bob.history(ada)).map(({ id }) => id);
  for (const { id } of acked) assert.ok(stored.includes(id), `message ${id} was acked and is lost`);

  execFileSync("prlimit", ["--pid", String(server.run.child.pid), "--fsize=unlimited"]);
  let answer;
  do {
    const { content, number } = refused;
    answer = await a.ask("send_message", { receiver_id: bob.id, content, client_id: `${number}` });
  } while (!answer.success);
  assert.equal((await b.next("receive_message", ({ id }) => id === answer.data.id)).content, refused.content);
  assert.equal((await server.request("GET", "/readyz")).status, 200);
  const after = await a.send(bob, "and on");
  const ids = (await bob.history(ada)).map(({ id }) => id);
  assert.deepEqual(ids, [...acked.map(({ id }) => id), answer.data.id, after.id]);
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  withServer(`${signal} tells every client and exits with 0`, async (server) => {
    const [ada, bob] = await server.users("ada", "bob");
    const clients = await Promise.all(["websocket", "polling"].map((transport) => ada.connect({ transports: [transport], reconnection: false })));
    clients.push(await bob.connect({ reconnection: false }));
    const told = Promise.all(clients.map((client) => client.own("disconnect")));
    await server.stop(signal);
    // A closed transport is what a stock client reconnects from; a namespace disconnect it does
    // not.
    for (const reason of await told) assert.match(reason, /^transport/);
  });
}

for (const [how, end] of [["kill -9", (server) => server.kill()], ["SIGTERM", (server) => server.stop()]]) {
  for (const transports of [undefined, ["websocket"], ["polling"]]) {
    const kind = transports ? `that uses ${transports} alone` : "with default options";
    withServer(`a stock client ${kind} comes back by itself after ${how} and a restart, and goes on`, async (server) => {
      // The first start found a free port; the next one takes the same.
      const [ada, bob] = await server.users("ada", "bob");
      const options = transports ? { transports } : {};
      const [a, b] = await Promise.all([ada.connect(options), bob.connect(options)]);
      const before = await a.send(bob, "before");
      assert.equal((await b.next("receive_message")).id, before.id);

      const gone = Promise.all([a.own("disconnect"), b.own("disconnect")]);
      await end(server);
      await gone;
      const back = Promise.all([a.own("connect"), b.own("connect")]);
      const offline = a.send(bob, "written while nobody was there", { client_id: "offline" });
      await server.start({ port: server.port });
      await back;

      const sent = await offline;
      assert.ok(sent.id > before.id);
      assert.equal(sent.content, "written while nobody was there");
      const again = await a.send(bob, "and again");
      assert.equal((await b.next("receive_message", ({ id }) => id === again.id)).content, "and again");
      const after = await b.send(ada, "after");
      assert.equal((await a.next("receive_message", ({ id }) => id === after.id)).content, "after");
      assert.deepEqual((await ada.history(bob)).map(({ id }) => id), [before.id, sent.id, again.id, after.id]);
    });
  }
}

withServer("a subscriber that comes back hears of presence again", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  await a.do("presence_subscribe", { user_ids: [bob.id] });
  await bob.connect();
  assert.equal((await a.next("presence")).online, true);
  const back = a.own("disconnect").then(() => a.own("connect"));
  await server.kill();
  await server.start({ port: server.port });
  await back;
  const { users } = await a.do("presence_subscribe", { user_ids: [bob.id] });
  // Bob's own client comes back by itself too: before the question or after it.
  if (!users[0].online) assert.equal((await a.next("presence")).online, true);
});
