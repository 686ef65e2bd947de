// The stock clients against the servers that their own tests expect: what those tests are known to
// check of a server, over every transport, in our own words.

import assert from "node:assert/strict";
import { request } from "node:http";
import { Fetch, NodeWebSocket, NodeXHR } from "engine.io-client";
import { Manager, io } from "socket.io-client";
import { args, bytes, withFixture } from "./fixture.mjs";
import { deadline } from "./harness.mjs";

const WAYS = [
  ["with default options", {}],
  ["over websocket", { transports: ["websocket"] }],
  ["over polling", { transports: ["polling"] }],
];

/** The arguments that the ack of an event brings. */
const ask = (socket, event, ...sent) =>
  args({ once: (_, done) => socket.emit(event, ...sent, (...got) => done(...got)) }, `the ack of ${event}`);

/** Emits, and gives the arguments of the event that answers. */
function converse(socket, event, sent, answer) {
  const answered = args(socket, answer);
  socket.emit(event, ...sent);
  return answered;
}

const connected = async (socket) => socket.connected || (await args(socket, "connect"));

// ---- socket.io-client, events

for (const [way, options] of WAYS) {
  const withSocket = (name, body) =>
    withFixture(`socket.io-client ${way}: ${name}`, "socket-client", async (server) => {
      const { socket } = server.client(options);
      await body(socket, server);
    });

  withSocket("hi is answered with hi, even when emitted before the connection stands", async (socket) => {
    await converse(socket, "hi", [], "hi");
  });

  withSocket("echo acks what it was given", async (socket) => {
    for (const value of ["text", "", 0, 123, -1.5, true, false, null, [], {}, [1, [2]], { a: { b: "“c”\u2028😀" } }, "x".repeat(100_000)]) {
      assert.deepEqual(await ask(socket, "echo", value), [value]);
    }
    assert.equal(await deadline(socket.emitWithAck("echo", 123), "the ack's promise"), 123);
  });

  withSocket("echo acks binary, alone and deep inside", async (socket) => {
    const [alone] = await ask(socket, "echo", Buffer.from("asdfasdf"));
    assert.deepEqual(bytes(alone), bytes(Buffer.from("asdfasdf")));
    const [empty] = await ask(socket, "echo", new ArrayBuffer(0));
    assert.deepEqual(bytes(empty), []);
    const all = Uint8Array.from({ length: 256 }, (_, at) => at);
    const [deep] = await ask(socket, "echo", { list: [{ first: all }, "between", Buffer.from([1])], last: Buffer.alloc(70_000, 7) });
    assert.deepEqual(bytes(deep.list[0].first), [...all]);
    assert.equal(deep.list[1], "between");
    assert.deepEqual(bytes(deep.list[2]), [1]);
    assert.ok(Buffer.alloc(70_000, 7).equals(Buffer.from(deep.last)));
  });

  withSocket("acks come in the order of the events", async (socket) => {
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    const order = [];
    await Promise.all(numbers.map((number) => ask(socket, "echo", number).then(([echoed]) => order.push(echoed))));
    assert.deepEqual(order, numbers);
  });

  withSocket("the server asks for an ack and hears it", async (socket) => {
    socket.on("ack", (answer) => answer(5, { test: true }));
    await converse(socket, "ack", [], "got it");
    await converse(socket, "ack", [], "got it");
  });

  withSocket("dates are strings, in an ack, as an argument and inside an object", async (socket) => {
    const before = Date.now() - 1;
    const [acked] = await ask(socket, "getAckDate", { test: true });
    const [date] = await converse(socket, "getDate", [], "takeDate");
    const [{ date: inside }] = await converse(socket, "getDateObj", [], "takeDateObj");
    for (const text of [acked, date, inside]) {
      assert.equal(typeof text, "string");
      assert.equal(new Date(text).toISOString(), text);
      assert.ok(Date.parse(text) >= before && Date.parse(text) <= Date.now());
    }
  });

  withSocket("false stays false", async (socket) => {
    assert.equal((await converse(socket, "false", [], "false"))[0], false);
  });

  withSocket("five texts of many scripts come whole and in order", async (socket) => {
    const texts = [];
    const five = new Promise((done) => socket.on("takeUtf8", (text) => texts.push(text) === 5 && done()));
    socket.emit("getUtf8");
    await deadline(five, () => `five texts; there are ${texts}`);
    assert.deepEqual(texts, ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"]);
  });

  withSocket("binary comes, as a Buffer or as an ArrayBuffer, whichever the client asks for", async (socket) => {
    const [buffer] = await converse(socket, "doge", [], "doge");
    assert.ok(Buffer.isBuffer(buffer));
    assert.equal(buffer.toString(), "asdfasdf");
    socket.io.engine.binaryType = "arraybuffer";
    const [array] = await converse(socket, "doge", [], "doge");
    assert.ok(array instanceof ArrayBuffer);
    assert.equal(Buffer.from(array).toString(), "asdfasdf");
  });

  withSocket("getbin is answered with the same bytes as doge", async (socket) => {
    const [buffer] = await converse(socket, "getbin", [], "takebin");
    assert.equal(Buffer.from(buffer).toString(), "asdfasdf");
  });

  withSocket("binary goes, as every kind of array", async (socket) => {
    for (const data of [Uint8Array.of(1, 2, 3).buffer, Uint8Array.of(1, 2, 3), Buffer.from("abc"), new ArrayBuffer(0)]) {
      await converse(socket, "buffa", [data], "buffack");
      await converse(socket, "blob", [data], "back");
    }
  });

  withSocket("binary goes inside an object", async (socket) => {
    for (const [event, answer] of [["jsonbuff", "jsonbuff-ack"], ["jsonblob", "jsonblob-ack"]]) {
      await converse(socket, event, [{ hello: "lol", message: Uint8Array.of(1, 2, 3).buffer, goodbye: "gotcha" }], answer);
    }
  });

  withSocket("events with binary and without keep their order", async (socket) => {
    const second = args(socket, "abuff2-ack");
    socket.emit("abuff1", Uint8Array.of(1).buffer);
    socket.emit("abuff2", "please arrive second");
    await second;
    const third = args(socket, "blob3-ack");
    socket.emit("blob1", Uint8Array.of(1));
    socket.emit("blob2", "second");
    socket.emit("blob3", Uint8Array.of(3));
    await third;
  });

  withSocket("the socket's id is the server's, other than the connection's, and gone when it leaves", async (socket, server) => {
    const foo = server.client({ ...options, path: "/foo" }).socket;
    for (const one of [socket, foo]) {
      const [id] = await ask(one, "getId");
      assert.ok(id);
      assert.equal(one.id, id);
      assert.notEqual(one.io.engine.id, id);
      one.disconnect();
      assert.equal(one.id, undefined);
    }
  });

  withSocket("a namespace that refuses says why, once, and the client does not try again", async (_, server) => {
    for (const [client, message] of [
      [{ path: "/no" }, "Auth failed (custom namespace)"],
      [{ query: { fail: "1" } }, "Auth failed (main namespace)"],
      [{ path: "/?fail=1" }, "Auth failed (main namespace)"],
      [{ path: "/nowhere" }, "Invalid namespace"],
    ]) {
      const { socket } = server.client({ ...options, ...client });
      let refusals = 0;
      socket.on("connect_error", () => refusals++);
      const [error] = await args(socket, "connect_error");
      assert.ok(error instanceof Error);
      assert.equal(error.message, message);
      assert.equal(socket.active, false);
      // Its connection ends and comes back; another namespace of it is served; the refused one does
      // not ask again.
      const other = socket.io.socket("/valid");
      await connected(other);
      const back = args(other, "disconnect").then(() => args(other, "connect"));
      other.io.engine.close();
      await back;
      assert.equal(refusals, 1);
    }
  });

  withSocket("after the connection is lost, the socket is continued: recovered, and with the same id", async (socket) => {
    assert.equal(socket.recovered, false);
    await converse(socket, "hi", [], "hi");
    const { id } = socket;
    for (let round = 0; round < 3; round++) {
      const back = args(socket, "connect");
      socket.io.engine.close();
      await back;
      assert.equal(socket.recovered, true, `round ${round}`);
      assert.equal(socket.id, id, `round ${round}`);
      assert.deepEqual(await ask(socket, "getId"), [id]);
      await converse(socket, "hi", [], "hi");
    }
  });

  withSocket("a socket that heard of no event has nothing to continue: a new id", async (socket) => {
    await connected(socket);
    const { id } = socket;
    const back = args(socket, "connect");
    socket.io.engine.close();
    await back;
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, id);
  });

  withSocket("a socket that left on purpose is not continued", async (socket) => {
    await converse(socket, "hi", [], "hi");
    const { id } = socket;
    const back = args(socket, "connect");
    socket.disconnect().connect();
    await back;
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, id);
  });

  withSocket("no other client continues a socket that is still there, nor one that never was", async (socket, server) => {
    await converse(socket, "hi", [], "hi");
    for (const pid of [socket._pid, "never-was", 5, null]) {
      const thief = await server.connect({ ...options, auth: { pid, offset: "1" } });
      assert.equal(thief.socket.recovered, false, String(pid));
      assert.notEqual(thief.socket.id, socket.id, String(pid));
    }
    assert.deepEqual(await ask(socket, "getId"), [socket.id]);
  });

  withSocket("a client whose timeout is 0 gives up with «timeout», and the server is well", async (socket, server) => {
    const { socket: hasty } = server.client({ ...options, timeout: 0, reconnectionAttempts: 3 });
    const errors = [];
    const failed = args(hasty.io, "reconnect_failed");
    hasty.on("connect_error", ({ message }) => errors.push(message));
    await failed;
    assert.deepEqual(errors, ["timeout", "timeout", "timeout", "timeout"]);
    assert.deepEqual(await ask(socket, "echo", "well"), ["well"]);
  });

  withSocket("a client with retries sends one at a time, in order", async (_, server) => {
    const { socket } = server.client({ ...options, retries: 1, ackTimeout: 20_000 });
    const packets = [];
    socket.io.engine.on("packetCreate", ({ type, data }) => type === "message" && packets.push(data));
    const answers = await Promise.all([1, 2, 3].map((value) => ask(socket, "echo", value)));
    assert.deepEqual(answers, [[null, 1], [null, 2], [null, 3]]);
    assert.deepEqual(packets, ["0", '20["echo",1]', '21["echo",2]', '22["echo",3]']);
  });

  withSocket("a client with retries that is never acked tries again as often as it may, and fails", async (_, server) => {
    const { socket } = server.client({ ...options, retries: 3, ackTimeout: 50 });
    const asked = [];
    const four = new Promise((done) => socket.on("ack", () => asked.push("ack") === 4 && done()));
    const packets = [];
    socket.io.engine.on("packetCreate", ({ type, data }) => type === "message" && packets.push(data));
    const [error] = await ask(socket, "ack");
    assert.ok(error instanceof Error);
    assert.deepEqual(packets, ["0", '20["ack"]', '21["ack"]', '22["ack"]', '23["ack"]']);
    await deadline(four, "four events that ask for an ack");
  });

  withSocket("what was queued with retries while offline is sent once the connection stands", async (_, server) => {
    const { socket } = server.client({ ...options, autoConnect: false, retries: 3, ackTimeout: 20_000 });
    const answer = ask(socket, "echo", 1);
    socket.connect();
    assert.deepEqual(await answer, [null, 1]);
  });

  withSocket("an event that the server does not know is never acked, and the next one is", async (socket) => {
    await connected(socket);
    await assert.rejects(socket.timeout(50).emitWithAck("unknown"));
    assert.equal(await socket.timeout(20_000).emitWithAck("echo", 42), 42);
  });

  withSocket("an ack is lost with the connection that it was asked on, and one asked while offline is not", async (socket) => {
    await connected(socket);
    const failed = new Promise((done) => socket.timeout(20_000).emit("echo", "a", done));
    socket.disconnect();
    assert.ok((await deadline(failed, "the failure of an ack")) instanceof Error);
    const answer = ask(socket, "echo", "b");
    socket.connect();
    assert.deepEqual(await answer, ["b"]);
  });

  withSocket("a volatile event is dropped while offline, and sent over a connection that stands", async (_, server) => {
    const { socket } = server.client({ ...options, autoConnect: false });
    let answered = false;
    socket.volatile.emit("getId", () => (answered = true));
    const first = ask(socket, "getId");
    socket.connect();
    await first;
    assert.equal(answered, false);
    // Offered until the pipe is ready for it: while a request is under way it is dropped.
    const reached = new Promise((done) => {
      const offer = setInterval(() => socket.volatile.emit("getId", (id) => done(id, clearInterval(offer))), 20);
    });
    assert.equal(await deadline(reached, "the ack of a volatile event"), socket.id);
  });
}

// ---- socket.io-client, connections

const withSocketServer = (name, body) => withFixture(`socket.io-client: ${name}`, "socket-client", body);

withSocketServer("query and auth reach the handshake of the main namespace and of another", async (server) => {
  const handshake = async (options) => {
    const { socket } = server.client(options);
    return options.path?.startsWith("/abc") ? (await args(socket, "handshake"))[0] : (await ask(socket, "getHandshake"))[0];
  };
  for (const path of ["/", "/abc"]) {
    const object = await handshake({ path, query: { a: "b", "&a": "&=?a", ü: "“€ +”" } });
    assert.deepEqual([object.query.a, object.query["&a"], object.query.ü], ["b", "&=?a", "“€ +”"]);
    assert.deepEqual([object.query.EIO, object.query.transport], ["4", "polling"]);
    assert.deepEqual(object.auth, {});
    const text = await handshake({ path: `${path}?b=c&d=e` });
    assert.deepEqual([text.query.b, text.query.d], ["c", "e"]);
    const auth = await handshake({ path, auth: { a: "b", c: "d" } });
    assert.deepEqual([auth.auth.a, auth.auth.c, auth.query.a], ["b", "d", undefined]);
    const asked = await handshake({ path, auth: (give) => give({ e: "f" }) });
    assert.deepEqual([asked.auth.e, asked.query.e], ["f", undefined]);
    const headers = await handshake({ path, extraHeaders: { "X-Word": "value" } });
    assert.equal(headers.headers["x-word"], "value");
    for (const key of ["headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth"]) {
      assert.ok(Object.hasOwn(headers, key), key);
    }
    assert.ok(headers.url.startsWith("/socket.io/?"));
    assert.equal(headers.secure, false);
  }
  const byWebSocket = await handshake({ transports: ["websocket"], query: { a: "b" } });
  assert.deepEqual([byWebSocket.query.a, byWebSocket.query.transport], ["b", "websocket"]);
});

withSocketServer("onAny hears the handshake event with its one object first", async (server) => {
  const { socket } = server.client({ path: "/abc" });
  const [event, handshake] = await deadline(new Promise((done) => socket.onAny((...all) => done(all))), "any event");
  assert.equal(event, "handshake");
  assert.ok(handshake instanceof Object);
});

withSocketServer("namespaces share one connection, which lives as long as one of them", async (server) => {
  const { socket: foo } = server.client({ path: "/foo" });
  await connected(foo);
  const asd = foo.io.socket("/asd");
  await connected(asd);
  assert.equal(asd.io.engine, foo.io.engine);
  foo.disconnect();
  // The server heard the leaving before this, and kept the other.
  const main = foo.io.socket("/");
  assert.deepEqual(await ask(main, "echo", "there"), ["there"]);
  main.disconnect();
  assert.equal(asd.connected, true);
  const closed = args(asd.io, "close");
  asd.disconnect();
  await closed;
});

withSocketServer("a namespace is joined while another is left", async (server) => {
  const { socket: foo } = server.client({ path: "/foo" });
  await connected(foo);
  const asd = foo.io.socket("/asd");
  const joined = args(asd, "connect");
  foo.disconnect();
  await joined;
});

withSocketServer("a namespace is joined when the connection was closed", async (server) => {
  const { socket } = server.client();
  await connected(socket);
  socket.disconnect();
  const foo = socket.io.socket("/foo");
  foo.connect();
  await connected(foo);
});

withSocketServer("a client joins and leaves each namespace with one packet", async (server) => {
  const { socket: main } = server.client();
  const foo = main.io.socket("/foo");
  const packets = [];
  main.io.engine.on("packetCreate", ({ type, data }) => type === "message" && packets.push(data));
  await Promise.all([connected(main), connected(foo)]);
  main.disconnect();
  foo.disconnect();
  assert.deepEqual(packets, ["0", "0/foo,", "1", "1/foo,"]);
});

withSocketServer("a client reconnects: by itself, by hand, and by itself after that", async (server) => {
  const { socket } = server.client();
  for (const close of [() => socket.io.engine.close(), () => socket.disconnect().connect(), () => socket.io.engine.close()]) {
    await connected(socket);
    const back = args(socket, "connect");
    close();
    await back;
    assert.deepEqual(await ask(socket, "echo", "here"), ["here"]);
  }
});

withSocketServer("a client that got nonsense closes and comes back on a new connection", async (server) => {
  const { socket } = server.client();
  await connected(socket);
  const { engine } = socket.io;
  const back = args(socket.io, "reconnect");
  engine.emit("data", "bad");
  await back;
  assert.notEqual(socket.io.engine, engine);
  assert.equal(engine.readyState, "closed");
});

withSocketServer("disconnecting at once, before the connection stands, harms nothing", async (server) => {
  for (let number = 0; number < 20; number++) server.client({ transports: [number % 2 ? "websocket" : "polling"] }).close();
  assert.deepEqual(await ask(server.client().socket, "echo", "well"), ["well"]);
});

withSocketServer("a manager reopens its one socket", async (server) => {
  const manager = new Manager(server.url, { forceNew: true });
  server.clients.add({ close: () => manager._close() });
  const socket = manager.socket("/");
  await connected(socket);
  const back = args(socket, "connect");
  socket.disconnect();
  assert.equal(manager.socket("/"), socket);
  assert.equal(socket.active, true);
  await back;
  socket.disconnect();
});

withSocketServer("the same address twice is two connections", async (server) => {
  const [one, two] = [io(server.url), io(server.url)];
  server.clients.add({ close: () => (one.disconnect(), two.disconnect()) });
  await Promise.all([connected(one), connected(two)]);
  assert.notEqual(one.io.engine.id, two.io.engine.id);
  assert.notEqual(one.id, two.id);
});

// ---- engine.io-client

/**
 * What an Engine.IO client fails with, and what its request says at that moment: later it is
 * cleared.
 */
const failure = ({ engine }) =>
  deadline(
    new Promise((done) =>
      engine.once("error", ({ type, message, description, context }) => {
        const { readyState, responseText } = context ?? {};
        const contentType = context?.getResponseHeader?.("content-type");
        done({ type, message, description, readyState, responseText, contentType });
      }),
    ),
    "the client's error",
  );

/**
 * What the server answers to somebody who asks for a WebSocket with this query, and goes away if
 * given one.
 */
async function webSocket(server, query) {
  const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
  const asked = request(`${server.url}/engine.io/?EIO=4&transport=websocket&${query}`, { headers });
  const answered = new Promise((done, failed) => {
    asked.once("upgrade", (_, socket) => done({ socket }));
    asked.once("response", (response) => done({ response }));
    asked.once("error", failed);
  });
  asked.end();
  const { socket, response } = await deadline(answered, "an answer to a WebSocket's request");
  if (socket) {
    const gone = args(socket, "close");
    socket.destroy();
    await gone;
    return { status: 101 };
  }
  let text = "";
  for await (const part of response.setEncoding("utf8")) text += part;
  return { status: response.statusCode, text };
}

const EUROS = "cash money €€€";
const EMOJI = "\uD800\uDC00-\uDB7F\uDFFF\uDB80\uDC00-\uDBFF\uDFFF\uE000-\uF8FF";

for (const [way, options, upgrades] of [
  ["over polling", { transports: ["polling"] }],
  ["over websocket", { transports: ["websocket"] }],
  ["while it upgrades", {}],
  ["after the upgrade", {}, true],
  ["over polling by fetch", { transports: [Fetch] }],
  ["over polling by the transport's own class", { transports: [NodeXHR] }],
  ["over websocket by the transport's own class", { transports: [NodeWebSocket] }],
]) {
  const withEngine = (name, more, body) =>
    withFixture(`engine.io-client ${way}: ${name}`, "engine-client", async (server) => {
      const client = server.engine({ ...options, ...more });
      if (upgrades) await client.own("upgrade");
      assert.equal(await client.next(), "hi", "the greeting is the first message");
      await body(client, server);
    });

  withEngine("text comes back as it was", {}, async (client) => {
    const texts = [EUROS, EMOJI, "hi", "line\nline\r\n\u2028\0", "b64?", "4", "x".repeat(99)];
    client.engine.send("");
    assert.equal(await client.next(), undefined, "the client has no better word for an empty text");
    for (const text of texts) {
      client.engine.send(text);
      assert.equal(await client.next(), text);
    }
    for (const text of texts) client.engine.send(text);
    assert.deepEqual(await client.several(texts.length), texts);
  });

  withEngine("binary comes back as it was, between texts too", {}, async (client) => {
    const data = Uint8Array.of(0, 1, 2, 3, 255);
    client.engine.send(data);
    const back = await client.next();
    assert.ok(Buffer.isBuffer(back));
    assert.deepEqual(bytes(back), [...data]);
    for (const message of [Buffer.from([7]), EUROS, data.buffer, new ArrayBuffer(0), "last"]) client.engine.send(message);
    const [one, two, three, four, five] = await client.several(5);
    assert.deepEqual([bytes(one), two, bytes(three), bytes(four), five], [[7], EUROS, [...data], [], "last"]);
  });

  withEngine("binary comes as an ArrayBuffer to who asks for one, also where it goes as base64", { forceBase64: true }, async (client) => {
    client.engine.binaryType = "arraybuffer";
    client.engine.send(Uint8Array.of(0, 1, 2, 3, 4));
    const back = await client.next();
    assert.ok(back instanceof ArrayBuffer);
    assert.deepEqual(bytes(back), [0, 1, 2, 3, 4]);
  });

  withEngine("the server gives binary and utf8 of its own", {}, async (client) => {
    client.engine.send("give binary");
    assert.deepEqual(bytes(await client.next()), [0, 1, 2, 3, 4]);
    client.engine.send("give utf8");
    assert.equal(await client.next(), "пойду спать всем спокойной ночи");
  });

  withEngine("three heartbeats pass, and messages after them", {}, async (client) => {
    const start = Date.now();
    for (let beat = 0; beat < 3; beat++) await client.own("ping");
    assert.ok(Date.now() - start < 10_000, "the next ping comes an interval (500 ms) after a pong, not a timeout (20 s)");
    client.engine.send("alive");
    assert.equal(await client.next(), "alive");
  });

  withEngine("a session that the client closed is unknown to the server", {}, async (client, server) => {
    const { id } = client.engine;
    const latest = Date.now() + 20_000;
    const closed = client.own("close");
    client.engine.close();
    assert.equal((await closed)[0], "forced close");
    // Asked again and again until the closing has arrived. A WebSocket that goes away again harms
    // no session.
    let answer;
    do answer = await webSocket(server, `sid=${id}`);
    while (answer.text !== "Session ID unknown" && Date.now() < latest);
    assert.deepEqual(answer, { status: 400, text: "Session ID unknown" });
  });
}

const withEngineServer = (name, body) => withFixture(`engine.io-client: ${name}`, "engine-client", body);

withEngineServer("the open packet says what the server is set to", async (server) => {
  for (const [transport, upgrades] of [["polling", ["websocket"]], ["websocket", []]]) {
    const [opened] = await server.engine({ transports: [transport] }).own("handshake");
    const { sid, ...rest } = opened;
    assert.match(sid, /^[\w-]{16,}$/);
    assert.deepEqual(rest, { upgrades, pingInterval: 500, pingTimeout: 20_000, maxPayload: 100 });
  }
});

withEngineServer("packets are merged up to the limit, by bytes, and none is refused", async (server) => {
  const client = server.engine({ transports: ["polling"] });
  assert.equal(await client.next(), "hi");
  const texts = ["a".repeat(99), "b".repeat(30), "c".repeat(30), "d".repeat(35), "€".repeat(33), "f".repeat(99)];
  for (const text of texts) client.engine.send(text);
  assert.deepEqual(await client.several(texts.length), texts);

  const mixed = [Buffer.alloc(72, 1), Buffer.alloc(20, 2), "a".repeat(20), Buffer.alloc(20, 3), Buffer.alloc(72, 4)];
  for (const message of mixed) client.engine.send(message);
  const back = await client.several(mixed.length);
  assert.deepEqual(back.map((one) => (typeof one === "string" ? one : bytes(one))), mixed.map((one) => (typeof one === "string" ? one : bytes(one))));
});

for (const [what, message] of [["text", "a".repeat(100)], ["text of few characters but many bytes", "€".repeat(34)], ["binary", Buffer.alloc(75)]]) {
  withEngineServer(`a POST over the limit (${what}) is answered 413 with an empty body, and ends that client alone`, async (server) => {
    const other = server.engine();
    const client = server.engine({ transports: ["polling"] });
    assert.equal(await client.next(), "hi");
    const failed = failure(client);
    const closed = client.own("close");
    client.engine.send(message);
    const error = await failed;
    assert.deepEqual([error.type, error.message, error.description], ["TransportError", "xhr post error", 413]);
    assert.deepEqual([error.readyState, error.responseText], [4, ""]);
    const [reason, details] = await closed;
    assert.equal(reason, "transport error");
    assert.ok(details instanceof Error);
    other.engine.send("well");
    assert.deepEqual(await other.several(2), ["hi", "well"]);
  });
}

for (const [what, fits, exceeds] of [["text", "a".repeat(99), "a".repeat(100)], ["binary", Buffer.alloc(100), Buffer.alloc(101)], ["much", "a", "a".repeat(1_000_000)]]) {
  for (const upgrade of [false, true]) {
    const when = upgrade ? "after the upgrade" : "from the start";
    withEngineServer(`a WebSocket message over the limit (${what}, ${when}) is closed with 1009 and no reason`, async (server) => {
      const client = server.engine(upgrade ? {} : { transports: ["websocket"] });
      if (upgrade) await client.own("upgrade");
      assert.equal(await client.next(), "hi");
      client.engine.send(fits);
      assert.equal((await client.next()).length, fits.length);
      const closed = client.own("close");
      client.engine.send(exceeds);
      const [reason, details] = await closed;
      assert.equal(reason, "transport close");
      assert.equal(details.description, "websocket connection closed");
      assert.deepEqual([details.context.code, details.context.reason], [1009, ""]);
      const other = server.engine();
      other.engine.send("well");
      assert.deepEqual(await other.several(2), ["hi", "well"]);
    });
  }
}

withEngineServer("an unknown sid is answered over polling with exactly its error, and over websocket with one", async (server) => {
  const polling = server.engine({ transports: ["polling"], query: { sid: "abc" } });
  const [errors, closes] = [failure(polling), polling.own("close")];
  const { type, message, description, readyState, responseText } = await errors;
  assert.deepEqual([type, message, description, readyState], ["TransportError", "xhr poll error", 400, 4]);
  assert.equal(responseText, '{"code":1,"message":"Session ID unknown"}');
  const [reason, details] = await closes;
  assert.equal(reason, "transport error");
  assert.ok(details instanceof Error);

  const websocket = server.engine({ transports: ["websocket"], query: { sid: "abc" } });
  const [failed, ended] = [failure(websocket), websocket.own("close")];
  const error = await failed;
  assert.deepEqual([error.type, error.message, error.description.type], ["TransportError", "websocket error", "error"]);
  assert.match(error.description.message, /\b400\b/);
  assert.equal((await ended)[0], "transport error");
});

withEngineServer("a refused handshake is 403 over polling with a JSON body, and no upgrade over websocket", async (server) => {
  const denied = server.engine({ transports: ["polling"], query: { deny: 1 } });
  const { message, description, contentType, responseText } = await failure(denied);
  assert.deepEqual([message, description], ["xhr poll error", 403]);
  assert.match(contentType, /^application\/json/);
  const body = JSON.parse(responseText);
  assert.deepEqual(Object.keys(body), ["code", "message"]);
  assert.equal(body.code, 4);
  assert.ok(body.message);

  const websocket = server.engine({ transports: ["websocket"], query: { deny: 1 } });
  assert.equal((await websocket.own("error"))[0].message, "websocket error");
  const answer = await webSocket(server, "deny=1");
  assert.deepEqual(answer, { status: 400, text: body.message });
});

withEngineServer("a client that may try all transports takes the one that is not refused", async (server) => {
  for (const [refused, other] of [["polling", "websocket"], ["websocket", "polling"]]) {
    const client = server.engine({
      transports: [refused, other],
      transportOptions: { [refused]: { query: { deny: 1 } } },
      tryAllTransports: true,
      upgrade: false,
    });
    await client.own("open");
    assert.equal(client.transport, other);
    client.engine.send(other);
    assert.deepEqual(await client.several(2), ["hi", other]);
  }
  const single = server.engine({ transports: ["polling", "websocket"], transportOptions: { polling: { query: { deny: 1 } } } });
  assert.equal((await single.own("error"))[0].message, "xhr poll error");
});

withEngineServer("extra headers arrive with every POST", async (server) => {
  const client = server.engine({ transports: ["polling"], extraHeaders: { "X-Custom-Header-For-My-Project": "my-secret-access-token", Cookie: "user_session=NI2J" } });
  assert.equal(await client.next(), "hi");
  client.engine.send("sendHeaders");
  const headers = JSON.parse(await client.next());
  assert.equal(headers["x-custom-header-for-my-project"], "my-secret-access-token");
  assert.equal(headers.cookie, "user_session=NI2J");
  assert.match(headers["content-type"], /^text\/plain/);
});

withEngineServer("cookies of the handshake come back from a client that may send them, and from no other", async (server) => {
  for (const [withCredentials, cookie] of [[true, "1=1; 2=2"], [false, undefined]]) {
    const client = server.engine({ transports: ["polling"], withCredentials });
    assert.equal(await client.next(), "hi");
    client.engine.send("sendHeaders");
    assert.equal(JSON.parse(await client.next()).cookie, cookie);
  }
});

withEngineServer("cookies are set by the handshake alone", async (server) => {
  const url = `${server.url}/engine.io/?EIO=4&transport=polling`;
  const handshake = await deadline(fetch(url), "a handshake");
  const names = handshake.headers.getSetCookie().map((cookie) => cookie.split("=")[0]);
  assert.deepEqual(names, ["1", "2", "3", "4"]);
  const open = (await handshake.text()).split("\x1e")[0];
  const poll = await deadline(fetch(`${url}&sid=${JSON.parse(open.slice(1)).sid}`), "a poll's answer");
  assert.equal(poll.status, 200);
  assert.deepEqual(poll.headers.getSetCookie(), []);
});

withEngineServer("a close while upgrading waits for the upgrade, and sends what was written before it", async (server) => {
  const client = server.engine();
  await client.own("upgrading");
  let upgraded = false;
  client.engine.once("upgrade", () => (upgraded = true));
  const closed = client.own("close");
  client.engine.send("hi");
  client.engine.close();
  await closed;
  assert.equal(upgraded, true);
  assert.equal(client.engine.writeBuffer.length, 0);
});

withEngineServer("a failed upgrade leaves the session on polling, where it goes on", async (server) => {
  const client = server.engine({ transportOptions: { websocket: { path: "/nowhere/" } } });
  await client.own("upgradeError");
  client.engine.send("on");
  assert.deepEqual(await client.several(2), ["hi", "on"]);
  assert.equal(client.transport, "polling");
});

withEngineServer("a client that remembers its upgrade begins with websocket the next time", async (server) => {
  const first = server.engine();
  assert.equal(first.transport, "polling");
  await first.own("upgrade");
  const second = server.engine({ rememberUpgrade: true });
  assert.equal(second.transport, "websocket");
  assert.equal(await second.next(), "hi");
  assert.equal(server.engine({ rememberUpgrade: false }).transport, "polling");
});

withEngineServer("a client that offers to compress is served without", async (server) => {
  const client = server.engine({ transports: ["websocket"], perMessageDeflate: { threshold: 0 } });
  assert.equal(await client.next(), "hi");
  for (const text of ["a".repeat(99), EUROS]) {
    client.engine.send(text, { compress: true });
    assert.equal(await client.next(), text);
  }
  assert.equal(client.engine.transport.ws.extensions, "");
});

withEngineServer("a client that finds its pings overdue closes", async (server) => {
  const client = server.engine();
  await client.own("open");
  const closed = client.own("close");
  client.engine._pingTimeoutTime = Date.now() - 1;
  assert.equal(client.engine._hasPingExpired(), true);
  assert.equal((await closed)[0], "ping timeout");
});
