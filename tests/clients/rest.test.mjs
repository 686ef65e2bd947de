// The REST side: pages, methods, refusals, accounts.

import assert from "node:assert/strict";
import { PASSWORD, TIME, ascending, hasKeys, withServer } from "./harness.mjs";

const ids = (answer) => answer.data.map(({ id }) => id);

/** Sends these contents one after the other and gives their ids. */
async function fill(client, receiver, count) {
  const sent = [];
  for (let number = 0; number < count; number++) sent.push((await client.send(receiver, `number ${number}`)).id);
  return sent;
}

/** A refusal has this status, this code and the one shape. */
function refused(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.body?.success, false, answer.text);
  hasKeys(answer.body, "error");
  hasKeys(answer.body.error, "code", "message");
  assert.equal(answer.body.error.code, code, answer.text);
  assert.equal(typeof answer.body.error.message, "string");
  assert.ok(!("data" in answer.body));
}

withServer("a history is paged backwards, forwards and by size", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const a = await ada.connect();
  const b = await bob.connect();
  const all = [];
  // Between two messages of this conversation lies one of another, which no page shows.
  for (let number = 0; number < 7; number++) {
    all.push((number % 2 ? await b.send(ada, `b${number}`) : await a.send(bob, `a${number}`)).id);
    await a.send(eve, "elsewhere");
  }
  for (const [query, expected, more] of [
    ["", all, false],
    ["?limit=7", all, false],
    ["?limit=3", all.slice(4), true],
    [`?limit=3&before=${all[4]}`, all.slice(1, 4), true],
    [`?limit=3&before=${all[1]}`, all.slice(0, 1), false],
    [`?limit=3&before=${all[3]}`, all.slice(0, 3), false],
    [`?before=${all[0]}`, [], false],
    [`?limit=3&after=${all[1]}`, all.slice(2, 5), true],
    [`?limit=3&after=${all[3]}`, all.slice(4), false],
    [`?after=${all[6]}`, [], false],
    [`?limit=500&after=${all[0]}`, all.slice(1), false],
  ]) {
    for (const [who, peer] of [[ada, bob], [bob, ada]]) {
      const answer = await who.get(`/api/chats/history/${peer.id}${query}`);
      assert.deepEqual(ids(answer), expected, query);
      assert.equal(answer.meta.has_more, more, query);
    }
  }
});

withServer("a history's row says when it was made and last changed", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const sent = await a.send(bob, "Halo!");
  const [row] = (await ada.get(`/api/chats/history/${bob.id}`)).data;
  assert.equal(row.created_at, sent.created_at);
  assert.match(row.updated_at, TIME);
  assert.ok(row.updated_at >= row.created_at);
});

withServer("a page of a history has 50 messages by itself and at most 500", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const sent = (await Promise.all(Array.from({ length: 520 }, (_, number) => a.send(bob, `${number}`)))).map(({ id }) => id);
  const usual = await bob.get(`/api/chats/history/${ada.id}`);
  assert.deepEqual(ids(usual), sent.slice(-50));
  assert.equal(usual.meta.has_more, true);
  const most = await bob.get(`/api/chats/history/${ada.id}?limit=500`);
  assert.deepEqual(ids(most), sent.slice(-500));
  const more = await bob.request("GET", `/api/chats/history/${ada.id}?limit=501`);
  assert.ok(more.status === 400 || more.body.data.length === 500, "more than 500 is refused or cut, never given");
});

withServer("a history with somebody one never wrote to is empty, and of nobody not there", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const answer = await ada.get(`/api/chats/history/${bob.id}`);
  assert.deepEqual(answer.data, []);
  assert.equal(answer.meta.has_more, false);
  refused(await ada.request("GET", "/api/chats/history/4711"), 404, "not_found");
});

withServer("recents are paged, newest first, each chat once", async (server) => {
  const peers = ["bob", "cleo", "dan", "eve", "finn"];
  const [ada, ...others] = await server.users("ada", ...peers);
  const a = await ada.connect();
  const last = new Map();
  for (const peer of others) last.set(peer.id, await a.send(peer, `to ${peer.username}`));
  const back = await (await others[1].connect()).send(ada, "from cleo");
  const order = [others[1], others[4], others[3], others[2], others[0]].map(({ id }) => id);

  const rows = [];
  let sizes = [];
  for (let before = ""; before !== undefined; ) {
    const { data, meta } = await ada.get(`/api/chats/?limit=2${before && `&before=${encodeURIComponent(before)}`}`);
    rows.push(...data);
    sizes.push(data.length);
    before = meta.next_before;
  }
  assert.deepEqual(sizes, [2, 2, 1]);
  assert.deepEqual(rows.map(({ user_id }) => user_id), order);
  assert.deepEqual((await ada.get("/api/chats/")).data, rows);
  for (const row of rows) {
    hasKeys(row, "user_id", "username", "avatar", "last_message", "last_message_time", "unread_count");
    const mine = row.user_id !== others[1].id;
    const message = mine ? last.get(row.user_id) : back;
    assert.deepEqual(
      [row.last_message, row.last_message_time, row.last_message_id, row.last_sender_id, row.unread_count],
      [message.content, message.created_at, message.id, mine ? ada.id : row.user_id, mine ? 0 : 1],
    );
  }
  assert.equal((await ada.get("/api/chats?limit=5")).meta?.next_before, undefined, "a full last page is the last");
});

withServer("unread messages are paged, ascending, with their number in all", async (server) => {
  const [ada, bob, eve] = await server.users("ada", "bob", "eve");
  const a = await ada.connect();
  const e = await eve.connect();
  const b = await bob.connect();
  const all = [];
  for (let number = 0; number < 7; number++) all.push((await (number % 3 ? a : e).send(bob, `${number}`)).id);
  await b.send(ada, "mine are not unread to me");
  for (const [query, expected, more] of [
    ["", all, false],
    ["?limit=3", all.slice(0, 3), true],
    [`?limit=3&after=${all[2]}`, all.slice(3, 6), true],
    [`?limit=3&after=${all[3]}`, all.slice(4), false],
    [`?after=${all[6]}`, [], false],
  ]) {
    const answer = await bob.get(`/api/chats/unread${query}`);
    assert.deepEqual(ids(answer), expected, query);
    assert.deepEqual([answer.meta.has_more, answer.meta.total], [more, 7], query);
  }
  await b.do("mark_as_read", { message_id: all[1] });
  const answer = await bob.get("/api/chats/unread?limit=2");
  assert.deepEqual([ids(answer), answer.meta.total], [[all[0], all[2]], 6]);
  await b.do("mark_chat_as_read", { user_id: eve.id });
  assert.equal((await bob.get("/api/chats/unread")).meta.total, all.length - 1 - 3);
});

withServer("a page of unread messages has 200 by itself", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const sent = (await Promise.all(Array.from({ length: 205 }, (_, number) => a.send(bob, `${number}`)))).map(({ id }) => id);
  const answer = await bob.get("/api/chats/unread");
  assert.deepEqual(ids(answer), sent.slice(0, 200));
  assert.deepEqual([answer.meta.has_more, answer.meta.total], [true, 205]);
  assert.deepEqual(ids(await bob.get("/api/chats/unread?limit=1000")), sent);
});

withServer("a wrong page is refused by the key that is wrong", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  for (const path of ["/api/chats", "/api/chats/unread", `/api/chats/history/${bob.id}`, "/api/users"]) {
    for (const limit of ["abc", "-1", "1.5"]) {
      const answer = await ada.request("GET", `${path}?limit=${limit}`);
      refused(answer, 400, "invalid_payload");
      assert.ok(answer.body.error.message.includes("limit"), answer.text);
    }
  }
  for (const [path, key] of [
    ["/api/chats/unread?after=abc", "after"],
    [`/api/chats/history/${bob.id}?after=abc`, "after"],
    [`/api/chats/history/${bob.id}?before=-1`, "before"],
    ["/api/chats?before=%00", "before"],
    ["/api/chats/history/abc", "user_id"],
    ["/api/chats/history/0", "user_id"],
  ]) {
    const answer = await ada.request("GET", path);
    refused(answer, 400, "invalid_payload");
    assert.ok(answer.body.error.message.includes(key), answer.text);
  }
});

withServer("nothing can be sent by REST: POST, PUT and DELETE under /api/chats answer 405", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const { id } = await a.send(bob, "Halo!");
  const body = { receiver_id: bob.id, content: "by REST" };
  for (const path of ["/api/chats", "/api/chats/unread", `/api/chats/history/${bob.id}`, `/api/chats/${id}/read`, "/api/chats/send", `/api/chats/${bob.id}/messages`]) {
    for (const spelled of [path, `${path}/`]) {
      for (const method of ["POST", "PUT", "DELETE"]) {
        for (const token of [ada.token, undefined]) {
          const answer = await server.request(method, spelled, { token, body });
          refused(answer, 405, "method_not_allowed");
          const allowed = (answer.headers.get("allow") ?? "").split(/\s*,\s*/);
          const wanted = path.endsWith("/read") ? "PATCH" : "GET";
          assert.ok(allowed.includes(wanted), `${method} ${spelled}: Allow is ${allowed}`);
          assert.ok(!allowed.includes(method));
          assert.match(answer.body.error.message, /send_message/, "the answer says how it is done instead");
        }
      }
    }
  }
  const wrong = await ada.request("PATCH", "/api/chats/");
  refused(wrong, 405, "method_not_allowed");
  await b.settle(ada);
  assert.equal(b.all("receive_message").length, 1);
  assert.equal((await ada.history(bob)).length, 2);
});

withServer("every route of a person's own needs a token", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const { id } = await (await ada.connect()).send(bob, "Halo!");
  for (const [method, path] of [
    ["GET", "/api/chats"],
    ["GET", "/api/chats/unread"],
    ["GET", `/api/chats/history/${ada.id}`],
    ["PATCH", `/api/chats/${id}/read`],
    ["GET", "/api/users"],
    ["GET", `/api/users/${ada.id}`],
    ["GET", "/api/auth/me"],
  ]) {
    refused(await server.request(method, path), 401, "missing_token");
    refused(await server.request(method, `${path}?token=${bob.token}`), 401, "missing_token");
    refused(await server.request(method, path, { token: "nonsense" }), 401, "invalid_token");
    refused(await server.request(method, path, { token: `${bob.token}x` }), 401, "invalid_token");
  }
  assert.equal((await bob.get("/api/chats/unread")).meta.total, 1);
});

withServer("a path under /api that is nothing answers 404 in the one shape", async (server) => {
  const ada = await server.user("ada");
  for (const path of ["/api", "/api/", "/api/nothing", "/api/users/4711", "/api/chats/nothing"]) {
    refused(await ada.request("GET", path), 404, "not_found");
  }
});

withServer("registering answers 201 with a token that works", async (server) => {
  const answer = await server.request("POST", "/api/auth/register", {
    body: { username: "ada.l-1_x", password: PASSWORD, avatar: "https://example.org/ada.png" },
  });
  assert.equal(answer.status, 201);
  const { token, expires_at, user } = answer.body.data;
  assert.match(expires_at, TIME);
  assert.ok(Date.parse(expires_at) > Date.now());
  hasKeys(user, "id", "username", "avatar", "is_admin");
  assert.deepEqual([user.username, user.avatar], ["ada.l-1_x", "https://example.org/ada.png"]);
  const me = await server.request("GET", "/api/auth/me", { token });
  assert.deepEqual([me.status, me.body.data.id], [200, user.id]);
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  assert.deepEqual([claims.sub, claims.username, claims.iss], [String(user.id), "ada.l-1_x", "chatd"]);
  assert.equal(claims.exp, Math.floor(Date.parse(expires_at) / 1_000));
});

withServer("logging in answers with a token; a wrong name and a wrong password answer alike", async (server) => {
  const ada = await server.user("ada");
  const login = (username, password) => server.request("POST", "/api/auth/login", { body: { username, password } });
  for (const name of ["ada", "ADA"]) {
    const { status, body } = await login(name, PASSWORD);
    assert.equal(status, 200, name);
    assert.deepEqual(body.data.user, ada.account);
    assert.equal((await server.request("GET", "/api/auth/me", { token: body.data.token })).status, 200);
  }
  const name = await login("nobody", PASSWORD);
  const password = await login("ada", `${PASSWORD}!`);
  refused(name, 401, "invalid_credentials");
  assert.deepEqual(password.body, name.body);
});

withServer("an account that cannot be is refused", async (server) => {
  await server.user("ada");
  const register = (body) => server.request("POST", "/api/auth/register", { body });
  refused(await register({ username: "ada", password: PASSWORD }), 409, "username_taken");
  refused(await register({ username: "ADA", password: PASSWORD }), 409, "username_taken");
  for (const [body, key] of [
    [{ password: PASSWORD }, "username"],
    [{ username: 5, password: PASSWORD }, "username"],
    [{ username: "", password: PASSWORD }, "username"],
    [{ username: "two words", password: PASSWORD }, "username"],
    [{ username: "é", password: PASSWORD }, "username"],
    [{ username: "x".repeat(33), password: PASSWORD }, "username"],
    [{ username: "bob" }, "password"],
    [{ username: "bob", password: 12345678 }, "password"],
    [{ username: "bob", password: "1234567" }, "password"],
    [{ username: "bob", password: "x".repeat(129) }, "password"],
    [{ username: "bob", password: PASSWORD, avatar: 5 }, "avatar"],
  ]) {
    const answer = await register(body);
    refused(answer, 400, "invalid_payload");
    assert.ok(answer.body.error.message.includes(key), `${JSON.stringify(body)}: ${answer.text}`);
  }
  for (const body of ["", "{", "[]", "null", '"text"', "\ufffd"]) {
    refused(await register(body), 400, "invalid_payload");
  }
  refused(await register({ username: "bob", password: PASSWORD, more: "x".repeat(100_000) }), 413, "payload_too_large");
  refused(await server.request("GET", "/api/auth/register"), 405, "method_not_allowed");
});

withServer("the set-up code makes one administrator and then no more", { registration: "invite" }, async (server) => {
  assert.ok(server.setupCode, "the log names the set-up link");
  const about = async () => (await server.request("GET", "/api/server")).body.data;
  hasKeys(await about(), "name", "version", "registration", "setup_required", "max_message_chars");
  assert.deepEqual([(await about()).registration, (await about()).setup_required], ["invite", true]);

  const register = (username, invite) =>
    server.request("POST", "/api/auth/register", { body: { username, password: PASSWORD, invite } });
  refused(await register("eve"), 403, "invalid_invite");
  refused(await register("eve", "guess"), 403, "invalid_invite");
  const first = await server.user("ada", { invite: server.setupCode });
  assert.equal(first.account.is_admin, true);
  assert.equal((await about()).setup_required, false);
  refused(await register("eve", server.setupCode), 403, "invalid_invite");

  await server.stop();
  await server.start();
  assert.equal(server.setupCode, undefined, "with an account there is no set-up link any more");
});

withServer("a set-up code that two use at once makes one account", { registration: "invite" }, async (server) => {
  const answers = await Promise.all(
    ["ada", "bob", "cleo"].map((username) =>
      server.request("POST", "/api/auth/register", { body: { username, password: PASSWORD, invite: server.setupCode } }),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 403, 403]);
});

withServer("closed registration takes the set-up code and nobody after", { registration: "closed" }, async (server) => {
  const ada = await server.user("ada", { invite: server.setupCode });
  assert.equal(ada.account.is_admin, true);
  const answer = await server.request("POST", "/api/auth/register", { body: { username: "bob", password: PASSWORD } });
  refused(answer, 403, "registration_closed");
});

withServer("people are found by a part of their name, the caller left out", async (server) => {
  const [ada, bob] = await server.users("ada", "bob", "bobby", "cleo");
  const names = async (query) => (await ada.get(`/api/users${query}`)).data.map(({ username }) => username).sort();
  assert.deepEqual(await names("?query=bob"), ["bob", "bobby"]);
  assert.deepEqual(await names("?query=OB"), ["bob", "bobby"]);
  assert.deepEqual(await names("?query=a"), []);
  assert.deepEqual(await names("?query="), ["bob", "bobby", "cleo"]);
  assert.equal((await names("?limit=2")).length, 2);
  const { data } = await ada.get(`/api/users/${bob.id}`);
  hasKeys(data, "id", "username", "avatar", "online", "last_seen");
  assert.deepEqual([data.id, data.username, data.online], [bob.id, "bob", false]);
  await bob.connect();
  assert.equal((await ada.get(`/api/users/${bob.id}`)).data.online, true);
});

withServer("the server is well, and serves its page and files", async (server) => {
  const health = await server.request("GET", "/healthz");
  assert.deepEqual([health.status, health.text.trim()], [200, "ok"]);
  const page = await server.request("GET", "/");
  assert.equal(page.status, 200);
  assert.match(page.headers.get("content-type"), /^text\/html/);
});

withServer("times of later messages are never earlier", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  await fill(await ada.connect(), bob, 20);
  const rows = await ada.history(bob);
  ascending(rows.map(({ id }) => id));
  rows.slice(1).forEach((row, at) => assert.ok(row.created_at >= rows[at].created_at));
});
