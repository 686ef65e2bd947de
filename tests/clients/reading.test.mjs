// Marking read: what changes, and who hears of it.

import assert from "node:assert/strict";
import { withServer } from "./harness.mjs";

/** Ada and Bob with two sockets each, and a third person with one. */
async function company(server) {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const [a1, a2, b1, b2, e] = await Promise.all([ada, ada, bob, bob, eve].map((user) => user.connect()));
  const settle = () => Promise.all([a1.settle(eve), a2.settle(eve), b1.settle(eve), b2.settle(eve), e.settle(ada)]);
  return { ada, bob, eve, a1, a2, b1, b2, e, settle };
}

for (const event of ["mark_as_read", "messege_read"]) {
  withServer(`${event} is told to the sender's sockets and the reader's others, not to the calling one`, async (server) => {
    const { ada, bob, a1, a2, b1, b2, e, settle } = await company(server);
    const first = await a1.send(bob, "one");
    await a1.send(bob, "two");
    await b1.do(event, { message_id: first.id, ...(event === "messege_read" && { user_id: bob.id }) });
    await settle();
    for (const client of [a1, a2, b2]) {
      assert.deepEqual(client.all("messege_read"), [{ message_id: first.id, user_id: bob.id }]);
    }
    for (const client of [b1, e]) assert.deepEqual(client.all("messege_read"), []);
    assert.deepEqual((await ada.history(bob)).map(({ is_read }) => is_read), [true, false]);
    assert.equal((await bob.get("/api/chats")).data.find((row) => row.user_id === ada.id).unread_count, 1);
  });
}

withServer("marking a message read twice succeeds and changes nothing more", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const { id } = await a.send(bob, "one");
  await a.send(bob, "two");
  for (let time = 0; time < 3; time++) assert.deepEqual(await b.do("mark_as_read", { message_id: id }), { message_id: id });
  for (let time = 0; time < 2; time++) assert.equal((await bob.request("PATCH", `/api/chats/${id}/read`)).status, 200);
  assert.deepEqual(await b.do("mark_chat_as_read", { user_id: ada.id }), { user_id: ada.id, count: 1 });
  assert.deepEqual(await b.do("mark_chat_as_read", { user_id: ada.id }), { user_id: ada.id, count: 0 });
});

withServer("PATCH marks a message read, as if by socket", async (server) => {
  const { ada, bob, eve, a1, a2, b1, b2, e, settle } = await company(server);
  const { id } = await a1.send(bob, "one");
  const patch = (user, message) => user.request("PATCH", `/api/chats/${message}/read`);

  const refused = await patch(ada, id);
  assert.deepEqual([refused.status, refused.body.error.code], [403, "forbidden"]);
  for (const [user, message] of [[eve, id], [bob, id + 1_000]]) {
    const missing = await patch(user, message);
    assert.deepEqual([missing.status, missing.body.success, missing.body.error.code], [404, false, "not_found"]);
  }
  const wrong = await patch(bob, "abc");
  assert.deepEqual([wrong.status, wrong.body.error.code], [400, "invalid_payload"]);
  assert.equal((await bob.get("/api/chats/unread")).meta.total, 1);

  const done = await patch(bob, id);
  assert.deepEqual([done.status, done.body], [200, { success: true }]);
  assert.equal((await bob.get("/api/chats/unread")).meta.total, 0);
  assert.equal((await ada.history(bob))[0].is_read, true);
  await settle();
  for (const client of [a1, a2, b1, b2]) assert.deepEqual(client.all("messege_read"), [{ message_id: id, user_id: bob.id }]);
  assert.deepEqual(e.all("messege_read"), []);
});

withServer("mark_chat_as_read marks a whole conversation and tells all but the calling socket", async (server) => {
  const { ada, bob, eve, a1, a2, b1, b2, e, settle } = await company(server);
  const ids = [];
  for (const content of ["one", "two", "three"]) ids.push((await a1.send(bob, content)).id);
  await e.send(bob, "of another conversation");
  const back = await b1.send(ada, "of the other direction");

  assert.deepEqual(await b1.do("mark_chat_as_read", { user_id: ada.id }), { user_id: ada.id, count: 3 });

  await settle();
  for (const client of [a1, a2, b2]) {
    const [told, ...more] = client.all("chat_read");
    assert.deepEqual([told.reader_id, told.peer_id], [bob.id, ada.id]);
    assert.ok([ids[2], back.id].includes(told.up_to), "the newest message from Ada, or of the conversation");
    assert.deepEqual(more, []);
    const read = client.all("messege_read").sort((one, other) => one.message_id - other.message_id);
    assert.deepEqual(read, ids.map((message_id) => ({ message_id, user_id: bob.id })));
  }
  for (const client of [b1, e]) assert.deepEqual([...client.all("chat_read"), ...client.all("messege_read")], []);
  assert.deepEqual((await bob.history(ada)).map(({ is_read }) => is_read).slice(0, 4), [true, true, true, false]);
  const { data, meta } = await bob.get("/api/chats/unread");
  assert.deepEqual([...new Set(data.map(({ sender_id }) => sender_id))], [eve.id]);
  assert.equal(meta.total, data.length);
});

withServer("mark_chat_as_read with up_to leaves later messages unread", async (server) => {
  const { ada, bob, a1, a2, b1, settle } = await company(server);
  const ids = [];
  for (const content of ["one", "two", "three", "four"]) ids.push((await a1.send(bob, content)).id);

  assert.deepEqual(await b1.do("mark_chat_as_read", { user_id: ada.id, up_to: ids[1] }), { user_id: ada.id, count: 2 });
  assert.deepEqual((await bob.history(ada)).map(({ is_read }) => is_read), [true, true, false, false]);
  assert.deepEqual((await bob.get("/api/chats/unread")).data.map(({ id }) => id), ids.slice(2));
  await settle();
  assert.deepEqual(a2.all("chat_read"), [{ reader_id: bob.id, peer_id: ada.id, up_to: ids[1] }]);
  assert.deepEqual(a2.all("messege_read").map(({ message_id }) => message_id).sort((x, y) => x - y), ids.slice(0, 2));

  await b1.do("mark_as_read", { message_id: ids[3] });
  const rest = await b1.do("mark_chat_as_read", { user_id: ada.id });
  assert.equal(rest.count, 1, "what was read one by one is not counted again");
  assert.deepEqual((await bob.history(ada)).slice(0, 4).map(({ is_read }) => is_read), [true, true, true, true]);
});

withServer("of a long conversation marked read the newest 100 messages are told one by one", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const sent = await Promise.all(Array.from({ length: 105 }, (_, number) => a.send(bob, `number ${number}`)));
  const newest = sent.map(({ id }) => id).sort((x, y) => x - y).slice(5);
  assert.equal((await b.do("mark_chat_as_read", { user_id: ada.id })).count, 105);
  const told = (await a.several("messege_read", 100)).map(({ message_id }) => message_id);
  assert.deepEqual(told.sort((x, y) => x - y), newest);
  await a.settle(bob);
  assert.equal(a.all("messege_read").length, 100);
  assert.equal(a.all("chat_read").length, 1);
  assert.ok((await ada.history(bob)).slice(0, 105).every(({ is_read }) => is_read));
});
