// How stock clients connect, and how they are refused.

import assert from "node:assert/strict";
import { Client, withServer } from "./harness.mjs";

/** A message each way, which both sides hear. */
async function talk(a, ada, b, bob) {
  const there = await a.send(bob, "there");
  assert.equal((await b.next("receive_message")).id, there.id);
  const back = await b.send(ada, "and back");
  assert.equal((await a.next("receive_message")).id, back.id);
}

withServer("a client with default options begins by polling, upgrades, and talks", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = ada.client();
  const opened = a.own("open", a.socket.io).then(() => {
    assert.equal(a.transport, "polling");
    return a.own("upgrade", a.socket.io.engine);
  });
  await Promise.all([opened, a.connected()]);
  assert.equal(a.transport, "websocket");
  await talk(a, ada, await bob.connect(), bob);
});

withServer("messages sent while the transport is upgraded arrive once and in order", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const b = await bob.connect({ transports: ["websocket"] });
  const a = ada.client();
  const opened = a.own("open", a.socket.io).then(() => a.own("upgrade", a.socket.io.engine));
  const contents = Array.from({ length: 30 }, (_, number) => `number ${number}`);
  await Promise.all([opened, ...contents.map((content) => a.send(bob, content))]);
  const received = await b.several("receive_message", contents.length);
  assert.deepEqual(received.map(({ content }) => content), contents);
  assert.deepEqual((await a.several("message_sent", contents.length)).map(({ content }) => content), contents);
});

for (const transport of ["websocket", "polling"]) {
  withServer(`a client that uses ${transport} alone talks`, async (server) => {
    const [ada, bob] = await server.users("ada", "bob");
    const a = await ada.connect({ transports: [transport] });
    await talk(a, ada, await bob.connect(), bob);
    assert.equal(a.transport, transport);
  });

  withServer(`a token in the Authorization header of ${transport} is as good as one in auth`, async (server) => {
    const [ada, bob] = await server.users("ada", "bob");
    const extraHeaders = { Authorization: `Bearer ${ada.token}` };
    const a = await ada.connect({ auth: undefined, extraHeaders, transports: [transport] });
    await talk(a, ada, await bob.connect(), bob);
  });

  for (const [what, auth, code] of [
    ["no auth", undefined, "missing_token"],
    ["an auth without token", {}, "missing_token"],
    ["an empty token", { token: "" }, "missing_token"],
    ["a word for a token", { token: "nonsense" }, "invalid_token"],
    ["a number for a token", { token: 5 }, "invalid_token"],
    ["a token signed by nobody", { token: "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwiZXhwIjo5OTk5OTk5OTk5fQ." }, "invalid_token"],
  ]) {
    withServer(`${what} is refused over ${transport} with ${code}`, async (server) => {
      const ada = await server.user("ada");
      const client = ada.client({ auth, transports: [transport] });
      const error = await client.refused();
      assert.equal(error.data?.code, code);
      assert.equal(error.message, code.replace("_", " "));
      assert.equal(client.socket.active, false, "a stock client does not try a refused token again by itself");
    });
  }
}

withServer("a token that was changed in one place is refused", async (server) => {
  const ada = await server.user("ada");
  const [head, claims, signature] = ada.token.split(".");
  const other = JSON.parse(Buffer.from(claims, "base64url"));
  other.sub = String(Number(other.sub) + 1);
  const forged = [head, Buffer.from(JSON.stringify(other)).toString("base64url"), signature].join(".");
  assert.equal((await ada.client({ auth: { token: forged } }).refused()).data.code, "invalid_token");
});

withServer("a token in the query string is no token", async (server) => {
  const ada = await server.user("ada");
  const error = await ada.client({ auth: undefined, query: { token: ada.token } }).refused();
  assert.equal(error.data.code, "missing_token");
});

withServer("an expired token is refused as expired", { flags: ["--token-lifetime", "1s"] }, async (server) => {
  const ada = await server.user("ada");
  // Asked again and again until the token's time is over, and some seconds of grace.
  const latest = Date.parse(ada.expiresAt) + 20_000;
  let answer;
  do answer = await ada.request("GET", "/api/auth/me");
  while (answer.status === 200 && Date.now() < latest);
  assert.equal(answer.status, 401);
  assert.equal(answer.body.error.code, "token_expired");
  assert.equal((await ada.client().refused()).data.code, "token_expired");
});

withServer("auth may be a function, as stock clients allow", async (server) => {
  const ada = await server.user("ada");
  const a = await ada.connect({ auth: (give) => give({ token: ada.token }) });
  assert.equal(a.socket.connected, true);
});

withServer("any other namespace is refused, and the chat on the same connection goes on", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  const other = a.socket.io.socket("/admin", { auth: { token: ada.token } });
  const error = await new Promise((done) => {
    other.once("connect_error", done);
    other.connect();
  });
  assert.equal(error.message, "Invalid namespace");
  await talk(a, ada, b, bob);
});

withServer("a client of another namespace alone is refused", async (server) => {
  const ada = await server.user("ada");
  for (const path of ["/admin", "/chat?x=1", "//"]) {
    assert.equal((await ada.client({ path }).refused()).message, "Invalid namespace", path);
  }
});

withServer("a refused client connects once it has a good token", async (server) => {
  const ada = await server.user("ada");
  const client = ada.client({ auth: { token: "nonsense" } });
  await client.refused();
  client.socket.auth = { token: ada.token };
  client.socket.connect();
  await client.connected();
  assert.equal(client.socket.connected, true);
});

withServer("a client that leaves and connects again on the same connection is served", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const b = await bob.connect();
  a.socket.disconnect();
  a.socket.connect();
  await a.connected();
  await talk(a, ada, b, bob);
});

// It was disconnected as soon as it was connected.
withServer("a client that is told to connect while it does is connected once, and stays so", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const b = await bob.connect();
  for (const transport of ["websocket", "polling"]) {
    const a = ada.client({ transports: [transport], reconnection: false });
    await a.own("open", a.socket.io);
    a.socket.connect();
    await a.connected();
    await talk(a, ada, b, bob);
  }
});

withServer("what is emitted before the connection stands is delivered", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const b = await bob.connect();
  const a = ada.client();
  const sent = await a.send(bob, "written at once");
  assert.equal((await b.next("receive_message")).id, sent.id);
});

withServer("a client with retries is answered, and its client_id keeps each message single", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect({ retries: 3, ackTimeout: 20_000 });
  const answers = await Promise.all(
    ["one", "two", "three"].map(
      (content) =>
        new Promise((done, failed) =>
          a.socket.emit("send_message", { receiver_id: bob.id, content, client_id: content }, (error, answer) =>
            error ? failed(error) : done(answer),
          ),
        ),
    ),
  );
  assert.deepEqual(answers.map((answer) => answer.data.content), ["one", "two", "three"]);
  assert.deepEqual((await ada.history(bob)).map(({ content }) => content), ["one", "two", "three"]);
});

withServer("a packet over the limit closes its own connection and no other", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect({ transports: ["websocket"], reconnection: false });
  const b = await bob.connect();
  const other = await ada.connect();
  const closed = a.own("disconnect");
  a.tell("send_message", { receiver_id: bob.id, content: "x".repeat(1_100_000) });
  assert.match(await closed, /^transport/);
  await talk(other, ada, b, bob);
  assert.equal((await ada.history(bob)).length, 2);
});

withServer("somebody without a token hears nothing", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const stranger = new Client(server, server.url, { transports: ["websocket"] });
  await stranger.refused();
  const a = await ada.connect();
  await talk(a, ada, await bob.connect(), bob);
  assert.deepEqual(stranger.heard, []);
});
