// Messages: kept as sent, once, in order, and heard by every socket that should.

import assert from "node:assert/strict";
import { ascending, withServer } from "./harness.mjs";

withServer("content is kept byte for byte, wherever it comes out", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const contents = [
    "👩‍👩‍👧‍👦 🇮🇩 e\u0301 é",
    "שלום \u202eabc\u202c مرحبا",
    "  spaces around \t and\r\nnew\nlines\n\n",
    "NUL \0 and \u0001\u001f\u007f\u0085",
    "\u2028 \u2029 \ufeff \uffff \u200b",
    '"quotes" \\ back \\u0041 </script><b>&amp;',
    '{"_placeholder":true,"num":0}',
    "\u001e",
    "😀".repeat(4_000),
  ];
  for (const content of contents) {
    const sent = await a.send(bob, content, { client_id: content.slice(0, 20) });
    assert.equal(sent.content, content);
    assert.equal((await a.next("message_sent")).content, content);
    assert.equal((await b.next("receive_message")).content, content);
    assert.equal((await bob.get("/api/chats")).data[0].last_message, content);
  }
  for (const [who, peer] of [[ada, bob], [bob, ada]]) {
    assert.deepEqual((await who.history(peer)).map((row) => row.content), contents);
  }
  assert.deepEqual((await bob.get("/api/chats/unread")).data.map((row) => row.content), contents);
});

withServer("content is kept byte for byte over polling as well", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect({ transports: ["polling"] });
  const b = await bob.connect({ transports: ["polling"] });
  for (const content of ["👩‍👩‍👧‍👦 \u2028 \0 \u001e שלום\n", "😀".repeat(4_000)]) {
    assert.equal((await a.send(bob, content)).content, content);
    assert.equal((await b.next("receive_message")).content, content);
  }
});

withServer("every socket of both hears of a message, each what is its own", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const [a1, a2, b1, b2, e] = await Promise.all([ada, ada, bob, bob, eve].map((user) => user.connect()));
  const { id } = await a1.send(bob, "Halo!");
  for (const client of [a1, a2]) assert.equal((await client.next("message_sent")).id, id);
  for (const client of [b1, b2]) assert.equal((await client.next("receive_message")).id, id);
  await Promise.all([a1.settle(bob), a2.settle(bob), b1.settle(ada), b2.settle(ada), e.settle(ada)]);
  const count = (client, event) => client.all(event).filter((payload) => payload.content === "Halo!").length;
  for (const client of [a1, a2]) assert.deepEqual([count(client, "message_sent"), count(client, "receive_message")], [1, 0]);
  for (const client of [b1, b2]) assert.deepEqual([count(client, "message_sent"), count(client, "receive_message")], [0, 1]);
  assert.deepEqual([count(e, "message_sent"), count(e, "receive_message")], [0, 0]);
});

withServer("a message to somebody who is away waits in the history", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const { id } = await a.send(bob, "for later");
  assert.deepEqual((await bob.get("/api/chats/unread")).data.map((row) => row.id), [id]);
});

withServer("200 concurrent messages arrive in the order of their ids, which is the order of the history", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const senders = await Promise.all([1, 2, 3, 4].map(() => ada.connect()));
  const b = await bob.connect();
  const sent = await Promise.all(
    Array.from({ length: 200 }, (_, number) => senders[number % 4].send(bob, `number ${number}`)),
  );
  assert.equal(new Set(sent.map(({ id }) => id)).size, 200);
  const received = await b.several("receive_message", 200);
  ascending(received.map(({ id }) => id));
  const pairs = (rows) => rows.map(({ id, content, created_at }) => ({ id, content, created_at }));
  assert.deepEqual(pairs(received), pairs(await bob.history(ada)));
  for (const client of senders) {
    assert.deepEqual(pairs(await client.several("message_sent", 200)), pairs(received), "every socket of the sender as well");
  }
  // What one socket sent in a row is stored in that row.
  for (let sender = 0; sender < 4; sender++) ascending(sent.filter((_, number) => number % 4 === sender).map(({ id }) => id));
});

withServer("two people who write at once see one conversation in one order", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect({ transports: ["polling"] });
  const numbers = Array.from({ length: 100 }, (_, number) => number);
  await Promise.all(numbers.flatMap((number) => [a.send(bob, `a${number}`), b.send(ada, `b${number}`)]));
  const history = (await ada.history(bob)).map(({ id }) => id);
  assert.equal(history.length, 200);
  for (const client of [a, b]) {
    await client.several("message_sent", 100);
    await client.several("receive_message", 100);
    assert.deepEqual(client.heard.map(({ payload }) => payload.id), history);
  }
});

withServer("a client_id sent twice stores one message and gives it back", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const [a1, a2, b] = await Promise.all([ada, ada, bob].map((user) => user.connect()));
  const first = await a1.send(bob, "once", { client_id: "same" });
  assert.deepEqual(await a1.next("message_sent"), first);
  const again = await a1.send(bob, "once", { client_id: "same" });
  assert.deepEqual(again, first);
  assert.deepEqual(await a1.next("message_sent"), first, "the sending socket is told again");
  await Promise.all([a1.settle(bob), a2.settle(bob), b.settle(ada)]);
  const count = (client, event) => client.all(event).filter((payload) => payload.content === "once").length;
  assert.equal(count(a1, "message_sent"), 2);
  assert.equal(count(a2, "message_sent"), 1, "the sender's other sockets are not");
  assert.equal(count(b, "receive_message"), 1, "nor is the receiver");
  assert.equal((await ada.history(bob)).filter(({ content }) => content === "once").length, 1);
});

withServer("a client_id sent again from another socket is answered to that socket alone", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const [a1, a2] = await Promise.all([ada, ada].map((user) => user.connect()));
  const first = await a1.send(bob, "once", { client_id: "same" });
  assert.deepEqual(await a2.next("message_sent"), first);
  assert.deepEqual(await a2.send(bob, "once", { client_id: "same" }), first);
  assert.deepEqual(await a2.next("message_sent"), first);
  await Promise.all([a1.settle(bob), a2.settle(bob)]);
  assert.equal(a1.all("message_sent").filter(({ content }) => content === "once").length, 1);
});

withServer("a client_id sent 50 times at once from several sockets stores one message", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const senders = await Promise.all(["websocket", "websocket", "polling"].map((transport) => ada.connect({ transports: [transport] })));
  const b = await bob.connect();
  const sent = await Promise.all(
    Array.from({ length: 50 }, (_, number) => senders[number % 3].send(bob, "once", { client_id: "same" })),
  );
  for (const message of sent) assert.deepEqual(message, sent[0]);
  assert.equal((await ada.history(bob)).length, 1);
  assert.equal((await b.next("receive_message")).id, sent[0].id);
  await b.settle(ada);
  assert.equal(b.all("receive_message").length, 1);
});

withServer("a client_id with another receiver or content is refused", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const a = await ada.connect();
  const first = await a.send(bob, "once", { client_id: "same" });
  for (const payload of [
    { receiver_id: bob.id, content: "other", client_id: "same" },
    { receiver_id: eve.id, content: "once", client_id: "same" },
  ]) {
    assert.equal((await a.fail("send_message", payload)).code, "client_id_reused");
  }
  assert.deepEqual((await ada.history(bob)).map(({ id }) => id), [first.id]);
  assert.deepEqual(await ada.history(eve), []);
});

withServer("a client_id is one sender's own", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const first = await a.send(bob, "mine", { client_id: "same" });
  const second = await b.send(ada, "mine too", { client_id: "same" });
  assert.notEqual(first.id, second.id);
});

withServer("a client_id may have 64 characters of any kind", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  for (const client_id of ["x", "x".repeat(64), "😀".repeat(64), "\0 \n"]) {
    const sent = await a.send(bob, "x", { client_id });
    assert.equal(sent.client_id, client_id);
    assert.equal((await a.send(bob, "x", { client_id })).id, sent.id);
  }
});

withServer("without a client_id the same words are two messages", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const first = await a.send(bob, "ping");
  const second = await a.send(bob, "ping", { client_id: null });
  assert.ok(second.id > first.id);
  assert.equal((await ada.history(bob)).length, 2);
});
