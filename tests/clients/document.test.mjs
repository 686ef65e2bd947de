// The flow of the original document, to the letter: what a client that knows nothing else relies
// on.

import assert from "node:assert/strict";
import { TIME, hasKeys, withServer } from "./harness.mjs";

withServer("send_message gives the sender message_sent and the receiver receive_message", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();

  a.tell("send_message", { receiver_id: bob.id, content: "Halo!" });

  const sent = await a.next("message_sent");
  hasKeys(sent, "id", "receiver_id", "content", "created_at");
  assert.ok(Number.isSafeInteger(sent.id) && sent.id > 0);
  assert.equal(sent.receiver_id, bob.id);
  assert.equal(sent.content, "Halo!");
  assert.match(sent.created_at, TIME);

  const received = await b.next("receive_message");
  hasKeys(received, "id", "sender_id", "receiver_id", "content", "created_at");
  assert.deepEqual(
    { id: sent.id, sender_id: ada.id, receiver_id: bob.id, content: "Halo!", created_at: sent.created_at },
    Object.fromEntries(["id", "sender_id", "receiver_id", "content", "created_at"].map((key) => [key, received[key]])),
  );
});

withServer("mark_as_read gives the message's sender messege_read with the reader's id", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  a.tell("send_message", { receiver_id: bob.id, content: "Halo!" });
  const { id } = await b.next("receive_message");

  b.tell("mark_as_read", { message_id: id });

  const read = await a.next("messege_read");
  hasKeys(read, "message_id", "user_id");
  assert.deepEqual({ message_id: read.message_id, user_id: read.user_id }, { message_id: id, user_id: bob.id });
  assert.equal((await bob.history(ada))[0].is_read, true);
});

withServer("messege_read from the receiver marks the message read", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  a.tell("send_message", { receiver_id: bob.id, content: "Halo!" });
  const { id } = await b.next("receive_message");

  b.tell("messege_read", { message_id: id, user_id: bob.id });

  const read = await a.next("messege_read");
  assert.equal(read.message_id, id);
  assert.equal(read.user_id, bob.id);
  assert.equal((await bob.get("/api/chats/unread")).data.length, 0);
});

withServer("the four routes answer with the documented keys", async (server) => {
  const ada = await server.user("ada");
  const bob = await server.user("bob", { avatar: "https://example.org/bob.png" });
  const a = await ada.connect();
  const b = await bob.connect();
  await a.send(bob, "one");
  await b.send(ada, "two");
  const last = await b.send(ada, "three");

  const recents = await ada.get("/api/chats/");
  assert.equal(recents.data.length, 1);
  hasKeys(recents.data[0], "user_id", "username", "avatar", "last_message", "last_message_time", "unread_count");
  const { user_id, username, avatar, last_message, last_message_time, unread_count } = recents.data[0];
  assert.deepEqual(
    { user_id, username, avatar, last_message, last_message_time, unread_count },
    {
      user_id: bob.id,
      username: "bob",
      avatar: "https://example.org/bob.png",
      last_message: "three",
      last_message_time: last.created_at,
      unread_count: 2,
    },
  );

  const history = await ada.get(`/api/chats/history/${bob.id}`);
  for (const row of history.data) {
    hasKeys(row, "id", "sender_id", "receiver_id", "content", "is_read", "created_at");
    assert.match(row.created_at, TIME);
  }
  assert.deepEqual(
    history.data.map(({ sender_id, receiver_id, content, is_read }) => [sender_id, receiver_id, content, is_read]),
    [
      [ada.id, bob.id, "one", false],
      [bob.id, ada.id, "two", false],
      [bob.id, ada.id, "three", false],
    ],
  );

  const unread = await ada.get("/api/chats/unread");
  for (const row of unread.data) {
    hasKeys(row, "id", "sender_id", "receiver_id", "content", "created_at");
    assert.deepEqual([row.sender_id, row.receiver_id], [bob.id, ada.id]);
  }
  assert.deepEqual(unread.data.map((row) => row.content), ["two", "three"]);

  const patched = await ada.request("PATCH", `/api/chats/${last.id}/read`);
  assert.equal(patched.status, 200);
  assert.deepEqual(patched.body, { success: true });
  assert.deepEqual((await ada.get("/api/chats/unread")).data.map((row) => row.content), ["two"]);
});

withServer("every route answers alike with and without a slash at its end", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const { id } = await a.send(bob, "Halo!");
  for (const path of ["/api/chats", `/api/chats/history/${ada.id}`, "/api/chats/unread"]) {
    const { data } = await bob.get(path);
    assert.equal(data.length, 1, path);
    assert.deepEqual((await bob.get(`${path}/`)).data, data, path);
  }
  for (const path of [`/api/chats/${id}/read`, `/api/chats/${id}/read/`]) {
    assert.equal((await bob.request("PATCH", path)).status, 200, path);
  }
});

withServer("a client without a valid token is refused", async (server) => {
  const ada = await server.user("ada");
  await ada.connect();
  const error = await ada.client({ auth: { token: "not.a.token" } }).refused();
  assert.ok(error instanceof Error);
});
