// A client of the original document beside all that came later: what it sees of rooms, edits,
// deletions, reactions, answers and bots, in what it hears and in each route that it has.

import assert from "node:assert/strict";
import { User, withServer } from "./harness.mjs";

/** A stock client of this person's that knows of version 2. */
const second = (person) => person.connect({ auth: { token: person.token, v: 2 } });
/** The keys that events of the first document have, and no further one. */
const RECEIVED = ["id", "sender_id", "receiver_id", "content", "created_at"];
/** All that a client of the first document asks for. */
async function seen(person, peer) {
  const [history, unread, recents] = await Promise.all([
    person.history(peer),
    person.get("/api/chats/unread"),
    person.get("/api/chats/"),
  ]);
  return { history, unread: unread.data, total: unread.meta.total, recent: recents.data[0], chats: recents.data.length };
}

withServer("an edit is the new text at the next history, and no event", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const [a, old] = [await second(ada), await bob.connect()];
  const { id } = await a.do("send_message", { receiver_id: bob.id, content: "frist" });
  const heard = await old.next("receive_message");
  assert.deepEqual(Object.keys(heard), RECEIVED);
  const { edited_at } = await a.do("edit_message", { message_id: id, content: "first" });
  const { history, unread, recent } = await seen(bob, ada);
  assert.deepEqual([history[0].content, history[0].updated_at, history[0].created_at], ["first", edited_at, heard.created_at]);
  assert.deepEqual([unread[0].content, recent.last_message], ["first", "first"]);
  // The next that it hears is a message, and that has no further key whatever was sent with it.
  await a.do("react", { message_id: id, emoji: "👍", on: true });
  await a.do("send_message", { receiver_id: bob.id, content: "second", reply_to: id, meta: { a: 1 } });
  assert.deepEqual(Object.keys(await old.next("receive_message")), RECEIVED);
  assert.deepEqual(old.heard.map(({ event }) => event), ["receive_message", "receive_message"]);
});

withServer("a deleted message is gone from every route, and the one before it is shown", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const [a, old] = [await second(ada), await bob.connect()];
  const kept = await a.do("send_message", { receiver_id: bob.id, content: "kept" });
  const gone = await a.do("send_message", { receiver_id: bob.id, content: "the password is swordfish" });
  await old.several("receive_message", 2);
  await a.do("delete_message", { message_id: gone.id });
  const after = await seen(bob, ada);
  assert.deepEqual(after.history.map((row) => row.id), [kept.id]);
  assert.deepEqual(after.unread.map((row) => row.id), [kept.id]);
  assert.deepEqual([after.total, after.recent.unread_count], [1, 1]);
  assert.deepEqual([after.recent.last_message, after.recent.last_message_id], ["kept", kept.id]);
  assert.equal(JSON.stringify(after).includes("swordfish"), false);
  // To mark it is to name what is not there.
  assert.equal((await old.fail("mark_as_read", { message_id: gone.id })).code, "not_found");
  // A chat of which nothing is left is in no list.
  await a.do("delete_message", { message_id: kept.id });
  const empty = await seen(bob, ada);
  assert.deepEqual([empty.history.length, empty.total, empty.chats], [0, 0, 0]);
  assert.deepEqual(old.heard.map(({ event }) => event), ["receive_message", "receive_message"]);
});

withServer("what it missed it is told as it is by then, and nothing that is gone", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const [a, old] = [await second(ada), await bob.connect({ reconnectionDelay: 1 })];
  await a.do("send_message", { receiver_id: bob.id, content: "heard" });
  await old.next("receive_message");
  const since = (await bob.get("/api/chats/updates")).meta.cursor;
  const away = old.own("disconnect");
  old.socket.io.engine.close();
  await away;
  const talk = async (content, more = {}) => (await a.do("send_message", { receiver_id: bob.id, content, ...more })).id;
  const edited = await talk("frist");
  const gone = await talk("gone");
  const plain = await talk("plain", { reply_to: edited });
  await a.do("edit_message", { message_id: edited, content: "first" });
  await a.do("react", { message_id: plain, emoji: "👍", on: true });
  await a.do("delete_message", { message_id: gone });
  await old.connected();
  const { data } = await bob.get(`/api/chats/updates?since=${since}`);
  assert.deepEqual(data.map(({ event, data }) => [event, data.id, data.content]), [
    ["receive_message", edited, "first"],
    ["receive_message", plain, "plain"],
  ]);
  for (const update of data) assert.deepEqual(Object.keys(update.data), RECEIVED);
  await a.do("send_message", { receiver_id: bob.id, content: "the end" });
  await old.next("receive_message", ({ content }) => content === "the end");
  assert.equal(old.heard.every(({ event }) => event === "receive_message"), true);
});

withServer("of rooms it sees nothing in any route, whatever is said and changed there", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const made = await ada.request("POST", "/api/rooms", { body: { name: "Ops", member_ids: [bob.id] } });
  const room_id = made.body.data.id;
  const [a, b, old] = [await second(ada), await second(bob), await bob.connect()];
  const before = await seen(bob, ada);
  const { id } = await a.do("send_message", { room_id, content: "to all", mentions: [bob.id] });
  const answer = await b.do("send_message", { room_id, content: "to you", reply_to: id });
  await a.do("edit_message", { message_id: id, content: "to everybody" });
  await b.do("react", { message_id: id, emoji: "👍", on: true });
  assert.deepEqual(await seen(bob, ada), before);
  // Not even by its id, to its own author.
  for (const [event, payload] of [
    ["mark_as_read", { message_id: id }],
    ["edit_message", { message_id: answer.id, content: "x" }],
    ["delete_message", { message_id: answer.id }],
    ["react", { message_id: id, emoji: "👍", on: true }],
    ["send_message", { receiver_id: ada.id, content: "x", reply_to: id }],
  ]) assert.equal((await old.fail(event, payload)).code, "not_found", event);
  assert.equal((await old.fail("send_message", { room_id, content: "x" })).code, "invalid_payload");
  assert.equal((await bob.request("PATCH", `/api/chats/${id}/read`)).status, 404);
  await a.do("delete_message", { message_id: id });
  await a.send(bob, "the end");
  assert.equal((await old.next("receive_message")).content, "the end");
  assert.deepEqual(old.heard.map(({ event }) => event), ["receive_message"]);
});

withServer("bots are people like others", async (server) => {
  const root = await server.user("root", { invite: server.setupCode });
  const made = await root.request("POST", "/api/admin/bots", { body: { username: "helper" } });
  assert.equal(made.status, 201, made.text);
  const { id, key } = made.body.data;
  const bot = new User(server, { token: key, user: { id, username: "helper" } });
  const [old, helper] = [await root.connect(), await bot.connect()];
  const sent = await helper.send(root, "at your service");
  assert.deepEqual(await old.next("receive_message"), {
    id: sent.id, sender_id: id, receiver_id: root.id, content: "at your service", created_at: sent.created_at,
  });
  await old.send(bot, "thank you");
  assert.equal((await helper.next("receive_message")).content, "thank you");
  const { history, recent } = await seen(root, bot);
  assert.deepEqual(history.map((row) => row.sender_id), [id, root.id]);
  assert.deepEqual([recent.user_id, recent.username, recent.last_message], [id, "helper", "thank you"]);
});
