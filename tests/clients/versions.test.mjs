// The stock JavaScript client, in the versions that people have: the first and later ones of each
// generation, over each transport, against the chat and against the protocol alone.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { args, bytes, withFixture } from "./fixture.mjs";
import { hasKeys, withServer } from "./harness.mjs";

const require = createRequire(import.meta.url);

for (const module of [
  "socket.io-client-3.0",
  "socket.io-client-4.0",
  "socket.io-client-4.5",
  // The first one that goes on where it was.
  "socket.io-client-4.6",
  "socket.io-client-4.7",
  "socket.io-client",
]) {
  const name = require(`${module}/package.json`).version;
  const [major, minor] = name.split(".").map(Number);
  const recovers = major > 4 || (major === 4 && minor >= 6);
  const { io } = await import(module);
  for (const [kind, transports] of [
    ["with default options", undefined],
    ["over websocket alone", ["websocket"]],
    ["over polling alone", ["polling"]],
  ]) {
    const client = `client ${name} ${kind}`;
    const ask = ({ socket }, event, ...sent) => args({ once: (_, done) => socket.emit(event, ...sent, done) }, `the ack of ${event}`);
    const options = { io, reconnectionDelay: 50, reconnectionDelayMax: 200, ...(transports && { transports }) };
    // A default client upgrades when it likes, during the first round of a test or before; in the
    // second it has.
    const settled = async ({ socket }) => {
      const { engine } = socket.io;
      if (transports) assert.equal(engine.transport.name, transports[0]);
      else if (engine.transport.name !== "websocket") await args(engine, "upgrade");
    };

    withServer(`${client}: sends with an ack, receives, and tells that it types`, async (server) => {
      const [ada, bob] = await server.users("ada", "bob");
      const [a, b] = await Promise.all([ada.connect(options), bob.connect(options)]);
      const sent = await a.send(bob, "Halo, “b”! 😀\u2028");
      hasKeys(sent, "id", "receiver_id", "content", "created_at");
      assert.equal(sent.content, "Halo, “b”! 😀\u2028");
      assert.equal((await a.next("message_sent")).id, sent.id);
      const received = await b.next("receive_message");
      assert.deepEqual([received.id, received.sender_id, received.content], [sent.id, ada.id, sent.content]);

      b.tell("typing", { receiver_id: ada.id, is_typing: true });
      assert.deepEqual(await a.next("typing"), { user_id: bob.id, is_typing: true });

      await Promise.all([settled(a), settled(b)]);
      const back = await b.send(ada, "and back");
      assert.equal((await a.next("receive_message")).id, back.id);
      assert.equal((await a.fail("send_message", { receiver_id: bob.id, content: "" })).code, "empty_message");
    });

    withServer(`${client}: is refused with a bad token, and told why`, async (server) => {
      const ada = await server.user("ada");
      for (const [auth, code] of [
        [{ token: "nonsense" }, "invalid_token"],
        [{}, "missing_token"],
      ]) {
        const refused = ada.client({ ...options, auth });
        const error = await refused.refused();
        assert.equal(error.message, code.replace("_", " "));
        assert.equal(error.data?.code, code);
      }
    });

    withServer(`${client}: reconnects by itself when the server is killed and started again`, async (server) => {
      const [ada, bob] = await server.users("ada", "bob");
      const [a, b] = await Promise.all([ada.connect(options), bob.connect(options)]);
      const before = await a.send(bob, "before");
      assert.equal((await b.next("receive_message")).id, before.id);

      const gone = Promise.all([a.own("disconnect"), b.own("disconnect")]);
      await server.kill();
      for (const reason of await gone) assert.match(reason, /^transport (close|error)$/);
      const back = Promise.all([a.own("connect"), b.own("connect")]);
      await server.start({ port: server.port });
      await back;

      const after = await a.send(bob, "after");
      assert.ok(after.id > before.id);
      assert.equal((await b.next("receive_message", ({ id }) => id === after.id)).content, "after");
      assert.deepEqual((await ada.history(bob)).map(({ id }) => id), [before.id, after.id]);
    });

    withServer(`${client}: misses nothing though its network fails and the server is killed`, async (server) => {
      const [ada, bob] = await server.users("ada", "bob");
      const [a, b] = await Promise.all([ada.connect(options), bob.connect(options)]);
      let cursor;
      b.socket.on("receive_message", (_, place) => (cursor = place));
      const before = await a.send(bob, "before");
      assert.equal((await b.next("receive_message")).id, before.id);

      b.socket.io.reconnection(false);
      const lost = b.own("disconnect");
      b.socket.io.engine.close();
      await lost;
      const missed = [await a.send(bob, "missed"), await a.send(bob, "missed as well")].map(({ id }) => id);
      await server.kill();
      await server.start({ port: server.port });
      const back = b.own("connect");
      b.socket.connect();
      await back;
      if (recovers) {
        assert.equal(b.socket.recovered, true);
        assert.deepEqual((await b.several("receive_message", 2)).map(({ id }) => id), missed);
      } else {
        // It cannot be told by itself; what its listener was given beside the message says where it
        // was.
        const { data } = await bob.get(`/api/chats/updates?since=${cursor}`);
        assert.deepEqual(data.map(({ event, data: { id } }) => [event, id]), missed.map((id) => ["receive_message", id]));
      }
    });

    withFixture(`${client}: gets text and binary back as they were`, "protocol", async (server) => {
      const { socket } = await server.connect(options);
      for (const round of ["first", "second"]) {
        const text = [round, 1, -0.5, true, null, "“ünï”\u2028😀", { deep: [{ er: [] }] }];
        const texts = args(socket, "message-back");
        socket.emit("message", ...text);
        assert.deepEqual(await texts, text);

        const binaries = args(socket, "message-back");
        socket.emit("message", Buffer.from([0, 1, 255]), round, { nested: [Buffer.alloc(0), Uint8Array.of(7).buffer] });
        const [first, word, { nested }] = await binaries;
        assert.deepEqual([bytes(first), word, ...nested.map(bytes)], [[0, 1, 255], round, [], [7]]);
        await settled({ socket });
      }
    });

    withFixture(`${client}: is acked, with text and with binary`, "protocol", async (server) => {
      const peer = await server.connect(options);
      assert.deepEqual(await ask(peer, "message-with-ack"), []);
      assert.deepEqual(await ask(peer, "message-with-ack", "one", 2, { three: null }), ["one", 2, { three: null }]);
      const [word, { data }] = await ask(peer, "message-with-ack", "with", { data: Buffer.from([9, 8]) });
      assert.deepEqual([word, bytes(data)], ["with", [9, 8]]);
      await settled(peer);
      assert.deepEqual(await ask(peer, "message-with-ack", "again"), ["again"]);
    });

    withFixture(`${client}: answers an event that asks for an ack`, "socket-client", async (server) => {
      const { socket } = await server.connect(options);
      for (const round of ["first", "second"]) {
        socket.once("ack", (answer) => answer(5, { test: true }));
        const got = args(socket, "got it");
        socket.emit("ack");
        assert.deepEqual(await got, [], round);
        await settled({ socket });
      }
    });

    withFixture(`${client}: hears its auth in both namespaces of one connection, and leaves one of them`, "protocol", async (server) => {
      const main = server.client({ ...options, auth: { token: "main" } });
      const custom = main.socket.io.socket("/custom", { auth: { token: "custom" } });
      const greetings = Promise.all([args(main.socket, "auth"), args(custom, "auth")]);
      custom.connect();
      assert.deepEqual(await greetings, [[{ token: "main" }], [{ token: "custom" }]]);
      assert.notEqual(main.socket.id, custom.id);
      custom.disconnect();
      const back = args(main.socket, "message-back");
      main.socket.emit("message", "still here");
      assert.deepEqual(await back, ["still here"]);
      const again = args(custom, "auth");
      custom.connect();
      assert.deepEqual(await again, [{ token: "custom" }]);
      assert.equal(main.socket.connected, true);
    });

    withFixture(`${client}: is refused a namespace, and the others stay`, "socket-client", async (server) => {
      const main = await server.connect(options);
      for (const [path, message] of [
        ["/no", "Auth failed (custom namespace)"],
        ["/random", "Invalid namespace"],
      ]) {
        const other = main.socket.io.socket(path);
        const refused = args(other, "connect_error");
        other.connect();
        const [error] = await refused;
        assert.ok(error instanceof Error);
        assert.equal(error.message, message);
      }
      assert.equal((await server.client({ ...options, query: { fail: "1" } }).refused()).message, "Auth failed (main namespace)");
      const foo = await server.connect({ ...options, path: "/foo" });
      assert.deepEqual(await ask(foo, "getId"), [foo.socket.id]);
      assert.deepEqual(await ask(main, "echo", "still here"), ["still here"]);
    });
  }
}
