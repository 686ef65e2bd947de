// Rooms by the stock client: 200 of them over a kill -9, and what a client of the first document
// hears beside them.

import assert from "node:assert/strict";
import { ascending, withServer } from "./harness.mjs";

/** A stock client of this person's that knows of rooms. */
const second = (person, options = {}) => person.connect({ auth: { token: person.token, v: 2 }, ...options });

/** Asks as this person; gives the data of the answer, which must be a success. */
async function ask(person, method, path, body) {
  const answer = await person.request(method, path, { body });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
  return answer.body.data;
}

const room = (owner, members, more = {}) =>
  ask(owner, "POST", "/api/rooms", { name: "Ops", member_ids: members.map((member) => member.id), ...more });

withServer("a stock client with 200 rooms goes on over a kill -9 with what they brought, recovered", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const rooms = [];
  for (let number = 0; number < 200; number += 1) rooms.push(await room(ada, [bob], { name: `room ${number}` }));
  const [a, b] = [await second(ada), await second(bob)];
  await a.do("send_message", { room_id: rooms[0].id, content: "heard" });
  await b.next("room_message");

  const lost = b.own("disconnect");
  await server.kill();
  await lost;
  const back = b.own("connect");
  await server.start({ port: server.port });
  const again = await second(ada);
  const missed = [];
  for (const { id } of rooms) missed.push((await again.do("send_message", { room_id: id, content: "missed" })).id);
  await back;
  assert.equal(b.socket.recovered, true);
  const heard = (await b.several("room_message", rooms.length)).map((message) => message.id);
  assert.deepEqual(heard, missed);
  ascending(heard);
  const { meta, data } = await bob.get("/api/inbox?limit=200");
  assert.equal(meta.unread_total, 201);
  assert.equal(data.length, 200);
  assert.deepEqual(data.map((row) => row.unread_count).filter((count) => count === 2), [2]);
});

withServer("a removal is heard once and nothing after it, live and recovered", async (server) => {
  const [ada, bob, cleo] = await server.users("ada", "bob", "cleo");
  const { id } = await room(ada, [bob, cleo]);
  const [a, b, c] = [await second(ada), await second(bob), await second(cleo)];
  const away = c.own("disconnect");
  c.socket.io.engine.close();
  await away;
  await a.do("send_message", { room_id: id, content: "to all", mention_all: true });
  for (const person of [bob, cleo]) await ask(ada, "DELETE", `/api/rooms/${id}/members/${person.id}`);
  await a.do("send_message", { room_id: id, content: "to none" });
  // It comes back by itself, before or after all of this: it hears the same.
  await c.connected();
  await a.send(bob, "the end");
  await a.send(cleo, "the end");
  // Who goes later hears of the one who went before.
  for (const [client, gone] of [[b, [bob]], [c, [bob, cleo]]]) {
    await client.next("receive_message");
    const told = client.heard.filter(({ event }) => event.startsWith("room_"));
    const said = told.map(({ payload }) => payload.content ?? [payload.change, payload.user_id]);
    assert.deepEqual(said, ["to all", ...gone.map((person) => ["removed", person.id])]);
  }
});

withServer("who joins by a link hears of it on each device, looks at the room and marks it, and all is acked", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const { id } = await room(ada, []);
  const [a, b, other] = [await second(ada), await second(bob), await second(bob)];
  const { code, url } = await ask(ada, "POST", `/api/rooms/${id}/invites`, { max_uses: 1 });
  assert.equal(new URL(url).hash, `#/join/${code}`);
  await ask(bob, "POST", "/api/rooms/join", { invite: code });
  for (const client of [b, other]) {
    const { user_id, change, room: joined } = await client.next("room_member");
    assert.deepEqual([user_id, change, joined.id], [bob.id, "joined", id]);
  }
  assert.equal((await a.next("room_member")).user_id, bob.id);
  assert.deepEqual(await b.do("in_view", { room_id: id, on: true }), {});
  const said = [];
  for (let turn = 0; turn < 10; turn += 1) said.push(await a.do("send_message", { room_id: id, content: `${turn}` }));
  await b.several("room_message", said.length);
  // All at once, as a page does that shows them all: each is acked, and few entries come of it.
  await Promise.all(said.map((message) => b.do("mark_chat_as_read", { room_id: id, up_to: message.id })));
  const read = await other.next("room_read", ({ up_to }) => up_to === said.at(-1).id);
  assert.deepEqual([read.unread_count, read.mention_count], [0, 0]);
  const told = other.heard.filter(({ event }) => event === "room_read");
  assert.ok(told.length < said.length / 2, JSON.stringify(told));
});

withServer("a client of the first document hears beside busy rooms what it hears without them", async (server) => {
  const [ada, bob, quiet, other] = await server.users("ada", "bob", "quiet", "other");
  const { id } = await room(ada, [bob]);
  const [busy, device] = [await second(ada), await second(bob)];
  // The same talk twice: between people with rooms around them, and between people without.
  const stories = [];
  for (const [one, two] of [[ada, bob], [other, quiet]]) {
    const [sender, receiver] = [await one.connect(), await two.connect()];
    const frames = [[], []];
    [sender, receiver].forEach((client, at) => {
      client.socket.io.engine.on("packet", ({ type, data }) => type === "message" && frames[at].push(data));
    });
    for (let turn = 0; turn < 5; turn += 1) {
      if (one === ada) {
        await busy.do("send_message", { room_id: id, content: "noise", meta: { turn } });
        await device.do("mark_chat_as_read", { room_id: id });
        await device.do("typing", { room_id: id, is_typing: true });
        await ask(ada, "PATCH", `/api/rooms/${id}`, { topic: `turn ${turn}` });
        await ask(bob, "PATCH", `/api/chats/${ada.id}/me`, { notify: turn % 2 ? "all" : "none" });
      }
      const sent = await sender.send(two, `message ${turn}`);
      await receiver.next("receive_message");
      await receiver.do("mark_as_read", { message_id: sent.id });
      await sender.next("messege_read");
    }
    await receiver.do("mark_chat_as_read", { user_id: one.id });
    const away = receiver.own("disconnect");
    receiver.socket.io.engine.close();
    await away;
    if (one === ada) await busy.do("send_message", { room_id: id, content: "noise while away" });
    await sender.send(two, "while away");
    await receiver.connected();
    await receiver.next("receive_message", ({ content }) => content === "while away");
    assert.equal(receiver.socket.recovered, true);
    stories.push(frames.map((heard) => heard.map((frame) => plain(frame, one, two))));
    sender.close();
    receiver.close();
  }
  assert.deepEqual(stories[0], stories[1]);
});

/** A frame without what is another each time: ids, times, cursors and people. */
function plain(frame, one, two) {
  return String(frame)
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"TIME"')
    .replaceAll(/"c[A-Za-z0-9_-]{26}"/g, '"CURSOR"')
    .replaceAll(/"(id|message_id|up_to)":\d+/g, '"$1":ID')
    .replaceAll(/"(\w+_id)":(\d+)/g, (_, key, id) => `"${key}":${Number(id) === one.id ? "ONE" : Number(id) === two.id ? "TWO" : id}`)
    .replace(/"(sid|pid)":"[^"]+"/g, '"$1":"…"');
}
