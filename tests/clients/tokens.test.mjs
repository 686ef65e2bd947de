// What stock clients do when their token ends: expiry, logout, a disabled account, another system's
// tokens.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { PASSWORD, withServer } from "./harness.mjs";

const SHORT = { flags: ["--token-lifetime", "3s"] };

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  withServer(`a client over ${transports.join(" and ")} comes back by itself with a fresh token`, SHORT, async (server) => {
    const [ada, bob] = await server.users("ada", "bob");
    let asked = 0;
    const auth = async (give) => {
      asked += 1;
      const { body } = await server.request("POST", "/api/auth/login", { body: { username: "ada", password: PASSWORD } });
      give({ token: body.data.token });
    };
    const client = ada.client({ transports, auth, reconnectionDelay: 50 });
    await client.connected();
    const gone = client.own("disconnect");
    assert.equal((await client.next("chat_error")).code, "token_expired");
    assert.match(await gone, /^transport (close|error)$/, "a stock client stays away after any other reason");
    await client.own("connect");
    assert.equal(asked, 2);
    await client.send(bob, "I am back");
  });
}

withServer("after a logout a client is told why, and stays away", async (server) => {
  const [ada] = await server.users("ada");
  const clients = [await ada.connect(), await ada.connect({ transports: ["polling"] })];
  const gone = clients.map((client) => client.own("disconnect"));
  const { status } = await ada.request("POST", "/api/auth/logout");
  assert.equal(status, 200);
  for (const [number, client] of clients.entries()) {
    assert.equal((await client.next("chat_error")).code, "invalid_token");
    assert.equal(await gone[number], "io server disconnect");
    assert.equal(client.socket.active, false);
  }
  assert.equal((await ada.client().refused()).data.code, "invalid_token");
});

withServer("a disabled account's client is told why within a second", async (server) => {
  const admin = await server.user("root", { invite: server.setupCode });
  const [ada] = await server.users("ada");
  const client = await ada.connect();
  const gone = client.own("disconnect");
  const before = performance.now();
  const disabled = await admin.request("PATCH", `/api/admin/users/${ada.id}`, { body: { disabled: true } });
  assert.equal(disabled.status, 200, disabled.text);
  assert.equal((await client.next("chat_error")).code, "account_disabled");
  assert.equal(await gone, "io server disconnect");
  assert.ok(performance.now() - before < 1_000);
});

const SECRET = "a secret of an app that has its own users";
const OWN_USERS = { flags: ["--jwt-secret", SECRET, "--provision-users"] };

withServer("an app's own users chat with the app's own tokens", OWN_USERS, async (server) => {
  const part = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");
  const token = (id, name) => {
    const exp = Math.floor(Date.now() / 1_000) + 60;
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ user_id: id, name, exp })}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  };
  const [bob] = await server.users("bob");
  const theirs = await bob.connect();
  const client = bob.client({ auth: { token: token(29, "Ada Lovelace") } });
  await client.connected();
  const { id } = await client.send(bob, "hi");
  const heard = await theirs.next("receive_message");
  assert.deepEqual([heard.id, heard.sender_id], [id, 29]);
  assert.equal((await bob.get("/api/users/29")).data.username, "Ada Lovelace");
});

// As an Express app does whose users are UUIDs: its backend makes them, its pages ask for the ids
// and chat.
withServer("an app whose users are UUIDs makes them, finds them, and has them write to each other", OWN_USERS, async (server) => {
  const part = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");
  const token = (sub) => {
    const now = Math.floor(Date.now() / 1_000);
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, iat: now, exp: now + 60 })}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  };
  const admin = await server.user("root", { invite: server.setupCode });
  const users = [
    { subject: "3b241101-e2bb-4255-8caf-4136c566a962", name: "Eve Smith" },
    { subject: "9f1c6a44-0b7e-4d52-9a0e-8a3a5b1c2d3e", name: "Eve Smith" },
  ];
  const made = await admin.request("PUT", "/api/admin/users", { body: users });
  assert.equal(made.status, 200, made.text);
  const [eve, other] = made.body.data;
  assert.deepEqual([eve.subject, eve.created, eve.id !== other.id], [users[0].subject, true, true]);
  // Nobody of the two has opened the chat yet.
  const client = admin.client({ auth: (give) => give({ token: token(users[0].subject) }) });
  await client.connected();
  const asked = await server.request("GET", `/api/users?subjects=${users.map((user) => user.subject)}`, { token: token(users[0].subject) });
  assert.deepEqual(asked.body.data.map((row) => row.id), [eve.id, other.id]);
  const { id } = await client.send({ id: other.id }, "hi");
  const theirs = admin.client({ auth: { token: token(users[1].subject) } });
  await theirs.connected();
  const unread = await server.request("GET", "/api/chats/unread", { token: token(users[1].subject) });
  assert.deepEqual(unread.body.data.map((row) => [row.id, row.sender_id]), [[id, eve.id]]);
});
