// The six events of clients: what their acks say, and what goes wrong.

import assert from "node:assert/strict";
import { hasKeys, withServer } from "./harness.mjs";

/** Values that are no id. */
const NO_IDS = [0, -1, 1.5, 2 ** 53, "", "0", "-1", "1.5", "abc", " 2", "+2", "99999999999999999999", true, [2], { id: 2 }];

withServer("every event is acked with its data", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();

  const sent = await a.send(bob, "one", { client_id: "first" });
  hasKeys(sent, "id", "receiver_id", "content", "created_at", "client_id");
  assert.deepEqual(sent, await a.next("message_sent"));
  assert.equal(sent.client_id, "first");
  const second = await a.send(bob, "two");
  assert.ok(!("client_id" in second));
  await a.send(bob, "three");

  assert.deepEqual(await b.do("mark_as_read", { message_id: sent.id }), { message_id: sent.id });
  assert.deepEqual(await b.do("messege_read", { message_id: second.id, user_id: bob.id }), { message_id: second.id });
  assert.deepEqual(await b.do("mark_chat_as_read", { user_id: ada.id }), { user_id: ada.id, count: 1 });
  assert.deepEqual(await b.do("typing", { receiver_id: ada.id, is_typing: true }), {});
  assert.deepEqual(await b.do("presence_subscribe", { user_ids: [ada.id] }), {
    users: [{ user_id: ada.id, online: true, last_seen: null }],
  });
});

withServer("an id may be a string of digits wherever one is asked for, and comes back as a number", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const [adas, bobs] = [String(ada.id), String(bob.id)];

  const sent = await a.do("send_message", { receiver_id: bobs, content: "one" });
  assert.equal(sent.receiver_id, bob.id);
  assert.equal(typeof sent.id, "number");
  assert.deepEqual(await b.do("mark_as_read", { message_id: String(sent.id) }), { message_id: sent.id });
  const second = await a.send(bob, "two");
  await b.do("messege_read", { message_id: String(second.id), user_id: bobs });
  const third = await a.send(bob, "three");
  const marked = await b.do("mark_chat_as_read", { user_id: adas, up_to: String(third.id) });
  assert.deepEqual(marked, { user_id: ada.id, count: 1 });
  assert.deepEqual(await a.do("typing", { receiver_id: bobs, is_typing: false }), {});
  assert.equal((await b.next("typing")).user_id, ada.id);
  assert.equal((await a.do("presence_subscribe", { user_ids: [bobs] })).users[0].user_id, bob.id);
});

withServer("a payload that is no object is refused for every event", async (server) => {
  const ada = await server.user("ada");
  const a = await ada.connect();
  for (const event of ["send_message", "mark_as_read", "messege_read", "mark_chat_as_read", "typing", "presence_subscribe"]) {
    for (const args of [[], [null], [5], ["text"], [true], [[1]]]) {
      assert.equal((await a.fail(event, ...args)).code, "invalid_payload", `${event} ${JSON.stringify(args)}`);
    }
  }
});

withServer("a missing or ill-typed key is refused, and the message names it", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const { id } = await (await bob.connect()).send(ada, "Halo!");
  const send = { receiver_id: bob.id, content: "Halo!" };
  const table = [
    ["send_message", send, { receiver_id: NO_IDS, content: [5, null, true, ["x"], { text: "x" }], client_id: [5, true, {}, "", "x".repeat(65)] }],
    ["mark_as_read", { message_id: id }, { message_id: NO_IDS }],
    ["messege_read", { message_id: id, user_id: ada.id }, { message_id: NO_IDS, user_id: NO_IDS }],
    ["mark_chat_as_read", { user_id: bob.id }, { user_id: NO_IDS, up_to: NO_IDS }],
    ["typing", { receiver_id: bob.id, is_typing: true }, { receiver_id: NO_IDS, is_typing: [1, "true", null, {}] }],
    ["presence_subscribe", { user_ids: [bob.id] }, { user_ids: [bob.id, "all", null, {}, ...NO_IDS.map((id) => [bob.id, id])] }],
  ];
  for (const [event, good, wrong] of table) {
    for (const [key, values] of Object.entries(wrong)) {
      for (const value of values) {
        const error = await a.fail(event, { ...good, [key]: value });
        assert.equal(error.code, "invalid_payload", `${event} ${key}=${JSON.stringify(value)}`);
        assert.ok(error.message.includes(key), `${event} ${key}=${JSON.stringify(value)}: ${error.message}`);
      }
    }
    for (const key of Object.keys(good)) {
      const { [key]: _, ...rest } = good;
      const error = await a.fail(event, rest);
      assert.equal(error.code, "invalid_payload", `${event} without ${key}`);
      assert.ok(error.message.includes(key), `${event} without ${key}: ${error.message}`);
    }
  }
  assert.equal((await ada.history(bob)).length, 1, "nothing that was refused is stored");
  assert.equal((await ada.get("/api/chats/unread")).meta.total, 1, "nothing that was refused marks a message read");
});

withServer("a presence subscription takes 500 people and not 501", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const ids = Array.from({ length: 501 }, (_, number) => number + 1);
  const error = await a.fail("presence_subscribe", { user_ids: ids });
  assert.equal(error.code, "invalid_payload");
  assert.ok(error.message.includes("user_ids"), error.message);
  const { users } = await a.do("presence_subscribe", { user_ids: ids.slice(0, 500) });
  assert.ok(users.some((user) => user.user_id === bob.id));
});

withServer("a message of nothing but white space is refused as empty", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  for (const content of ["", " ", "\n\t\r ", "\u3000\u2003"]) {
    assert.equal((await a.fail("send_message", { receiver_id: bob.id, content })).code, "empty_message");
  }
  assert.deepEqual(await ada.history(bob), []);
});

withServer("a message over 4000 characters is refused as too long, however it is written", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  for (const content of ["x".repeat(4_001), "é".repeat(4_001), "😀".repeat(4_001), "x".repeat(900_000)]) {
    assert.equal((await a.fail("send_message", { receiver_id: bob.id, content })).code, "message_too_long");
  }
  assert.deepEqual(await ada.history(bob), []);
});

withServer("the longest message is what --max-message-chars says", { flags: ["--max-message-chars", "5"] }, async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  assert.equal((await a.send(bob, "😀😀😀😀😀")).content, "😀😀😀😀😀");
  assert.equal((await a.fail("send_message", { receiver_id: bob.id, content: "123456" })).code, "message_too_long");
  assert.equal((await server.request("GET", "/api/server")).body.data.max_message_chars, 5);
});

withServer("nobody sends to oneself or to nobody", async (server) => {
  const ada = await server.user("ada");
  const a = await ada.connect();
  const fails = async (event, payload) => (await a.fail(event, payload)).code;
  assert.equal(await fails("send_message", { receiver_id: ada.id, content: "me" }), "invalid_receiver");
  assert.equal(await fails("send_message", { receiver_id: 4_711, content: "nobody" }), "not_found");
  assert.equal(await fails("typing", { receiver_id: ada.id, is_typing: true }), "invalid_receiver");
  assert.equal(await fails("typing", { receiver_id: 4_711, is_typing: true }), "not_found");
  assert.equal(await fails("mark_chat_as_read", { user_id: 4_711 }), "not_found");
});

withServer("only its receiver may mark a message read, and strangers do not learn that it is there", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const a = await ada.connect();
  const e = await eve.connect();
  const { id } = await a.send(bob, "for bob");
  for (const [event, more] of [["mark_as_read", () => ({})], ["messege_read", (user) => ({ user_id: user.id })]]) {
    assert.equal((await a.fail(event, { message_id: id, ...more(ada) })).code, "forbidden", event);
    assert.equal((await e.fail(event, { message_id: id, ...more(eve) })).code, "not_found", event);
    assert.equal((await a.fail(event, { message_id: id + 1_000, ...more(ada) })).code, "not_found", event);
  }
  assert.equal((await bob.get("/api/chats/unread")).meta.total, 1);
});

withServer("messege_read in another's name is refused", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const { id } = await a.send(bob, "for bob");
  assert.equal((await b.fail("messege_read", { message_id: id, user_id: ada.id })).code, "forbidden");
  assert.equal((await bob.get("/api/chats/unread")).meta.total, 1);
});

withServer("a failing event without a callback is told by chat_error", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const { id } = await a.send(bob, "for bob");
  const table = [
    ["send_message", { receiver_id: bob.id, content: " ", client_id: "mine" }, "empty_message", "mine"],
    ["send_message", { receiver_id: 4_711, content: "x", client_id: "other" }, "not_found", "other"],
    ["send_message", { receiver_id: ada.id, content: "x" }, "invalid_receiver"],
    ["send_message", "text", "invalid_payload"],
    ["mark_as_read", { message_id: id }, "forbidden"],
    ["messege_read", { message_id: id, user_id: bob.id }, "forbidden"],
    ["mark_chat_as_read", {}, "invalid_payload"],
    ["typing", { receiver_id: 4_711, is_typing: true }, "not_found"],
    ["presence_subscribe", { user_ids: 5 }, "invalid_payload"],
  ];
  for (const [event, payload, code, client_id] of table) {
    a.tell(event, payload);
    const error = await a.next("chat_error");
    assert.deepEqual([error.event, error.code], [event, code]);
    assert.equal(typeof error.message, "string");
    assert.equal(error.client_id, client_id, `${event} ${JSON.stringify(payload)}`);
  }
});

withServer("chat_error names the message's client_id even where its payload cannot be read", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  for (const wrong of [{ receiver_id: bob.id }, { content: "Halo!" }, { receiver_id: "bob", content: "Halo!" }]) {
    a.tell("send_message", { ...wrong, client_id: "mine" });
    const error = await a.next("chat_error");
    assert.deepEqual([error.event, error.code, error.client_id], ["send_message", "invalid_payload", "mine"]);
  }
});

withServer("an event that was acked as failed gives no chat_error besides", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  await a.fail("send_message", { receiver_id: bob.id, content: " " });
  await a.settle(bob);
  assert.deepEqual(a.all("chat_error"), []);
});

withServer("an unknown event is acked as invalid_payload, and ignored without a callback", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  assert.equal((await a.fail("delete_everything", { really: true })).code, "invalid_payload");
  assert.equal((await a.fail("delete_everything")).code, "invalid_payload");
  a.tell("delete_everything", { really: true });
  await a.settle(bob);
  assert.deepEqual(a.all("chat_error"), []);
});

withServer("binary in a message is refused and the connection goes on", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const error = await a.fail("send_message", { receiver_id: bob.id, content: Buffer.from("Halo!") });
  assert.equal(error.code, "invalid_payload");
  assert.ok(error.message.includes("content"), error.message);
  await a.send(bob, "as text");
});

withServer("half a surrogate pair is refused and the connection goes on", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const error = await a.fail("send_message", { receiver_id: bob.id, content: "cut \ud83d" });
  assert.equal(error.code, "invalid_payload");
  assert.ok(error.message.includes("content"), error.message);
  await a.send(bob, "whole 😀");
});
