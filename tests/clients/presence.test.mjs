// What is not stored: who is typing, who is there.

import assert from "node:assert/strict";
import { TIME, withServer } from "./harness.mjs";

withServer("typing reaches every socket of the receiver and nobody else", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const [a1, a2, b1, b2, e] = await Promise.all([ada, ada, bob, bob, eve].map((user) => user.connect()));
  a1.tell("typing", { receiver_id: bob.id, is_typing: true });
  await a1.do("typing", { receiver_id: bob.id, is_typing: false });
  for (const client of [b1, b2]) {
    assert.deepEqual(await client.several("typing", 2), [
      { user_id: ada.id, is_typing: true },
      { user_id: ada.id, is_typing: false },
    ]);
  }
  await Promise.all([a1.settle(bob), a2.settle(bob), e.settle(bob)]);
  for (const client of [a1, a2, e]) assert.deepEqual(client.all("typing"), []);
});

withServer("typing to somebody who is away succeeds and leaves nothing behind", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  await a.do("typing", { receiver_id: bob.id, is_typing: true });
  const b = await bob.connect();
  await b.settle(ada);
  assert.deepEqual(b.all("typing"), []);
});

withServer("a subscription tells who is there now, and then each coming and going", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const a = await ada.connect();
  await eve.connect();
  const { users } = await a.do("presence_subscribe", { user_ids: [bob.id, eve.id] });
  assert.deepEqual(users, [
    { user_id: bob.id, online: false, last_seen: null },
    { user_id: eve.id, online: true, last_seen: null },
  ]);

  const b = await bob.connect();
  assert.deepEqual(await a.next("presence"), { user_id: bob.id, online: true, last_seen: null });
  b.close();
  const gone = await a.next("presence");
  assert.deepEqual([gone.user_id, gone.online], [bob.id, false]);
  assert.match(gone.last_seen, TIME);
});

withServer("who asks when somebody was last there hears what presence has just told", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  await a.do("presence_subscribe", { user_ids: [bob.id] });
  for (let visit = 0; visit < 20; visit++) {
    const b = await bob.connect();
    await a.next("presence", ({ online }) => online);
    b.close();
    const gone = await a.next("presence", ({ online }) => !online);
    const { users } = await a.do("presence_subscribe", { user_ids: [bob.id] });
    assert.deepEqual(users, [gone]);
    assert.equal((await ada.get(`/api/users/${bob.id}`)).data.last_seen, gone.last_seen);
  }
});

withServer("a person is there as long as one socket is", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  await a.do("presence_subscribe", { user_ids: [bob.id] });
  const b1 = await bob.connect();
  const b2 = await bob.connect({ transports: ["polling"] });
  const c = await bob.connect();
  c.close();
  b1.close();
  await b2.settle(ada);
  assert.equal((await ada.get(`/api/users/${bob.id}`)).data.online, true);
  b2.close();
  await a.next("presence", ({ online }) => !online);
  await a.settle(bob);
  assert.deepEqual(a.all("presence").map(({ online }) => online), [true, false]);
});

withServer("a subscription replaces the one before it", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const a = await ada.connect();
  await a.do("presence_subscribe", { user_ids: [bob.id] });
  await a.do("presence_subscribe", { user_ids: [eve.id] });
  await bob.connect();
  await eve.connect();
  assert.equal((await a.next("presence")).user_id, eve.id);
  assert.deepEqual(await a.do("presence_subscribe", { user_ids: [] }), { users: [] });
  const b = await bob.connect();
  await b.settle(ada);
  await a.settle(bob);
  assert.equal(a.all("presence").length, 1);
});

withServer("who did not subscribe hears of nobody", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  b.close();
  const again = await bob.connect();
  await again.settle(ada);
  await a.settle(bob);
  assert.deepEqual(a.all("presence"), []);
});

withServer("a socket that closes takes its subscription with it, and its user's others keep theirs", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a1 = await ada.connect();
  const a2 = await ada.connect();
  for (const client of [a1, a2]) await client.do("presence_subscribe", { user_ids: [bob.id] });
  a1.close();
  a1.socket.connect();
  await a1.connected();
  await bob.connect();
  assert.equal((await a2.next("presence")).online, true);
  await a1.settle(bob);
  assert.deepEqual(a1.all("presence"), []);
});
