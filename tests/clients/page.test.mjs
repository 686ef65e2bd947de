// The page's own Socket.IO client, static/js/net/socket.js, against the executable, as anybody may
// use it: it needs nothing of the page. What it does with packets that no server sends is in
// tests/ui.

import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { Socket } from "../../static/js/net/socket.js";
import { ascending, deadline, withServer } from "./harness.mjs";

// Node has one of its own only from version 22 on. A browser's says that it could not open by
// `close`, and throws nothing.
globalThis.WebSocket ??= class extends WebSocket {
  constructor(url) {
    super(url);
    this.on("error", () => {});
  }
};

/** Comes back at once. */
const delay = () => 5;
/** Where no WebSocket gets through. */
const noWebSocket = (url, on) => {
  queueMicrotask(() => on.closed());
  return { send() {}, close() {} };
};

/** A socket of somebody's, with what it heard; closed with the server. */
function open(user, options = {}) {
  const socket = new Socket(new URL("/socket.io/", user.server.url), () => ({ token: user.token }), { delay, ...options });
  const heard = [];
  const waiting = new Set();
  socket.addEventListener("event", ({ detail }) => {
    heard.push(detail);
    for (const look of waiting) look();
  });
  user.server.clients.add(socket);
  const own = (type) => deadline(new Promise((done) => socket.addEventListener(type, done, { once: true })), type);
  const several = (name, count) => {
    const found = () => heard.filter((event) => event.name === name).map(({ data }) => data);
    const enough = new Promise((done) => {
      const look = () => found().length >= count && waiting.delete(look) | done();
      waiting.add(look);
      look();
    });
    return deadline(enough, `${count} ${name}`).then(found);
  };
  const connected = own("connect");
  socket.connect();
  return connected.then(() => ({ socket, heard, own, several }));
}

const message = (receiver, content, clientId) => ({ receiver_id: receiver.id, content, ...(clientId && { client_id: clientId }) });

for (const [kind, options] of [["WebSocket", {}], ["long-polling", { webSocket: noWebSocket }]]) {
  withServer(`the page's client sends, is acked and hears, by ${kind}`, async (server) => {
    const [ada, bob] = await server.users("ada", "bob");
    const a = await open(ada, options), b = await open(bob, options);
    const sent = await a.socket.emit("send_message", message(bob, "Halo! 👋\u2028", "c-1"));
    assert.deepEqual([sent.content, sent.client_id, sent.receiver_id], ["Halo! 👋\u2028", "c-1", bob.id]);
    const [received] = await b.several("receive_message", 1);
    assert.deepEqual([received.id, received.sender_id], [sent.id, ada.id]);
    assert.ok(b.heard.find(({ name }) => name === "receive_message").cursor, "its place in the order");

    // The same client id gives the same message again, and stores none.
    assert.equal((await a.socket.emit("send_message", message(bob, "Halo! 👋\u2028", "c-1"))).id, sent.id);
    await assert.rejects(a.socket.emit("send_message", message(ada, "to myself")), { name: "ChatError", code: "invalid_receiver" });
    await assert.rejects(a.socket.emit("nonsense", {}), { code: "invalid_payload" });

    b.socket.tell("typing", { receiver_id: ada.id, is_typing: true });
    assert.deepEqual(await a.several("typing", 1), [{ user_id: bob.id, is_typing: true }]);
    await b.socket.emit("mark_chat_as_read", { user_id: ada.id });
    assert.deepEqual(await a.several("messege_read", 1), [{ message_id: sent.id, user_id: bob.id }]);

    // Many at once come in order, and each to its own ack.
    const texts = Array.from({ length: 200 }, (_, n) => `number ${n}`);
    const acks = await Promise.all(texts.map((text) => a.socket.emit("send_message", message(bob, text))));
    assert.deepEqual(acks.map(({ content }) => content), texts);
    const all = await b.several("receive_message", 201);
    assert.deepEqual(all.slice(1).map(({ content }) => content), texts);
    ascending(all.map(({ id }) => id));
  });

  withServer(`the page's client comes back by itself after a kill -9 and is told what it missed, by ${kind}`, async (server) => {
    const [ada, bob] = await server.users("ada", "bob");
    const a = await open(ada, options), b = await open(bob, options);
    await a.socket.emit("send_message", message(bob, "one"));
    await b.several("receive_message", 1);
    // Only bob stays away, until ada has written again.
    a.socket.close();
    const lost = b.own("disconnect");
    await server.kill();
    await lost;
    await assert.rejects(b.socket.emit("send_message", message(ada, "into the dark")), { code: "offline" });
    const back = b.own("connect");
    await server.start({ port: server.port });
    const again = await open(ada, options);
    await again.socket.emit("send_message", message(bob, "two"));
    await back;
    assert.equal(b.socket.recovered, true);
    assert.deepEqual((await b.several("receive_message", 2)).map(({ content }) => content), ["one", "two"]);
  });
}

withServer("the page's client says why it is refused, and does not ask again with the same token", async (server) => {
  const [ada] = await server.users("ada");
  for (const [token, code] of [["", "missing_token"], ["nonsense", "invalid_token"]]) {
    const socket = new Socket(new URL("/socket.io/", server.url), () => ({ token }), { delay });
    const refused = deadline(new Promise((done) => socket.addEventListener("refused", done)), "the refusal");
    const waits = [];
    socket.addEventListener("waiting", (event) => waits.push(event));
    socket.connect();
    assert.equal((await refused).detail.code, code);
    assert.deepEqual([socket.connected, waits.length], [false, 0]);
  }
  // Put out while connected: it comes back once, and hears that the token is worth nothing.
  const { own } = await open(ada);
  const refused = own("refused");
  await ada.request("POST", "/api/auth/logout");
  assert.equal((await refused).detail.code, "invalid_token");
});
