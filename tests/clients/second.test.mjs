// Version 2 of a socket, by the stock client: what an app adds to its messages, and a change of
// version.

import assert from "node:assert/strict";
import { withServer } from "./harness.mjs";

/** A stock client of this person's that knows of version 2. */
const second = (person, options = {}) => person.connect({ auth: { token: person.token, v: 2 }, ...options });

const ORDER = { order: 17, lines: [{ name: "café \u{1f600}", count: 2 }], note: null };

withServer("an app's own object goes with the message, live, recovered over a kill -9, and in every row", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const [a, b, old] = [await second(ada), await second(bob), await bob.connect()];
  const order = { receiver_id: bob.id, content: "Your order was shipped", client_id: "order-17", meta: ORDER };
  const { data } = await a.ask("send_message", order);
  assert.deepEqual(data.meta, ORDER);
  assert.deepEqual((await a.next("message_sent")).meta, ORDER);
  assert.deepEqual((await b.next("receive_message")).meta, ORDER);
  assert.deepEqual(Object.keys(await old.next("receive_message")), ["id", "sender_id", "receiver_id", "content", "created_at"]);

  const lost = [b.own("disconnect"), old.own("disconnect")];
  await server.kill();
  await Promise.all(lost);
  const back = [b.own("connect"), old.own("connect")];
  await server.start({ port: server.port });
  const again = await second(ada);
  await again.ask("send_message", { receiver_id: bob.id, content: "And arrived", meta: { order: 18 } });
  await Promise.all(back);
  assert.ok(b.socket.recovered && old.socket.recovered);
  assert.deepEqual((await b.next("receive_message")).meta, { order: 18 });
  assert.equal("meta" in (await old.next("receive_message")), false);
  // Sent again, it is the same message, whichever process took it.
  assert.equal((await again.ask("send_message", order)).data.id, data.id);
  const other = await again.ask("send_message", { ...order, meta: { order: 19 } });
  assert.equal(other.error.code, "client_id_reused");

  const rows = await bob.history(ada);
  assert.deepEqual(rows.map((row) => row.meta), [ORDER, { order: 18 }]);
  assert.deepEqual((await bob.get(`/api/messages/${data.id}`)).data, rows[0]);
  assert.deepEqual((await bob.get("/api/chats/unread")).data.map((row) => row.meta), [ORDER, { order: 18 }]);
});

withServer("a client that is brought up to date while it is away is recovered in the new version", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await second(ada);
  const auth = { token: bob.token };
  const b = await bob.connect({ auth, reconnectionDelay: 1 });
  await a.ask("send_message", { receiver_id: bob.id, content: "one", meta: { a: 1 } });
  assert.equal("meta" in (await b.next("receive_message")), false);
  const away = b.own("disconnect");
  b.socket.io.engine.close();
  await away;
  auth.v = 2;
  await Promise.all([b.own("connect"), a.ask("send_message", { receiver_id: bob.id, content: "two", meta: { a: 2 } })]);
  assert.equal(b.socket.recovered, true);
  assert.deepEqual((await b.next("receive_message")).meta, { a: 2 });
});
