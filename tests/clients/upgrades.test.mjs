// The change of transport under traffic, a thousand times: nothing is lost, doubled or overtaken,
// and no poll is left behind. What one upgrade in hundreds gets wrong shows here.

import assert from "node:assert/strict";
import { args, bytes, withFixture } from "./fixture.mjs";
import { deadline, withServer } from "./harness.mjs";

const UPGRADES = 1_000;
const AT_ONCE = 20;
/**
 * Echoes on their way to each client at any time, so that there are some in every phase of its
 * upgrade.
 */
const ON_THE_WAY = 8;
/** Echoes after the upgrade, before a client may leave. */
const AFTER = 20;
/** Echoes to a client that still has not upgraded. */
const ENOUGH = 10_000;

/** Runs `one` as often as said, so many at once. */
async function crowd(times, one) {
  let started = 0;
  const worker = async () => {
    while (started < times) await one(started++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/**
 * The polling transport's last poll was answered, not abandoned; after the upgrade it starts no
 * other.
 */
function isQuiet(polling) {
  assert.equal(polling.name, "polling");
  assert.equal(polling.readyState, "paused");
  assert.equal(polling._polling, false, "a poll is left hanging");
  assert.equal(polling.writable, true, "a POST is left hanging");
}

withFixture(`${UPGRADES} engine.io-clients upgrade under traffic, and every message is echoed once and in order`, "engine-client", async (server) => {
  await crowd(UPGRADES, async (number) => {
    const client = server.engine();
    const { engine } = client;
    const polling = engine.transport;
    let upgraded = false;
    engine.once("upgrading", () => engine.send("upgrading"));
    engine.once("upgrade", () => {
      upgraded = true;
      isQuiet(polling);
      engine.send("upgrade");
    });
    assert.equal(await client.next(), "hi");

    // Texts and binaries by turns, each with its number. Between them, unannounced, the two words
    // of the upgrade.
    let sent = 0;
    const say = () => {
      assert.ok(sent < ENOUGH, `client ${number} has not upgraded`);
      engine.send(sent % 2 === 0 ? `${sent}` : Buffer.from(`${sent}`));
      sent++;
    };
    for (let count = 0; count < ON_THE_WAY; count++) say();
    const words = [];
    let heard = 0;
    let after = 0;
    while (heard < sent) {
      const message = await client.next();
      if (message === "upgrading" || message === "upgrade") {
        words.push(message);
        continue;
      }
      assert.equal(typeof message === "string", heard % 2 === 0, `client ${number}, message ${heard}`);
      assert.equal(String(message), `${heard}`, `client ${number}`);
      heard++;
      if (upgraded) after++;
      if (after < AFTER) say();
    }
    // What came twice, or late, would come before the answer to this.
    engine.send("end");
    while (words.at(-1) !== "end") words.push(await client.next());
    assert.deepEqual(words, ["upgrading", "upgrade", "end"]);
    assert.equal(client.transport, "websocket");
    assert.equal(polling._polling, false);
    client.close();
    server.clients.delete(client);
  });
});

withFixture(`${UPGRADES} socket.io-clients upgrade under traffic, and every event is acked once and in order`, "socket-client", async (server) => {
  await crowd(UPGRADES, async (number) => {
    const client = server.client({ reconnection: false });
    const { socket } = client;
    const opened = args(socket.io, "open");
    let heard = 0;
    let sent = 0;
    let after = 0;
    let upgraded = false;
    const done = new Promise((enough, failed) => {
      socket.on("connect_error", failed);
      socket.on("disconnect", (reason) => failed(new Error(`client ${number}: ${reason}`)));
      const say = () => {
        const value = sent % 2 === 0 ? sent : { number: sent, data: Buffer.from(`${sent}`) };
        const expected = sent++;
        let acks = 0;
        socket.emit("echo", value, (echoed) => {
          try {
            assert.equal(++acks, 1);
            assert.equal(heard++, expected, `client ${number}`);
            assert.equal(expected % 2 === 0 ? echoed : Number(Buffer.from(bytes(echoed.data))), expected);
            if (upgraded) after++;
            assert.ok(sent < ENOUGH, `client ${number} has not upgraded`);
            if (after < AFTER) say();
            else if (heard === sent) enough();
          } catch (error) {
            failed(error);
          }
        });
      };
      for (let count = 0; count < ON_THE_WAY; count++) say();
    });
    done.catch(() => {});
    await opened;
    const polling = socket.io.engine.transport;
    socket.io.engine.once("upgrade", () => {
      upgraded = true;
      isQuiet(polling);
    });
    await deadline(done, () => `the echoes of client ${number}: ${heard} of ${sent}, ${upgraded ? "upgraded" : "not upgraded"}`);
    assert.equal(client.transport, "websocket");
    client.close();
    server.clients.delete(client);
  });
});

withServer("200 clients that say nothing upgrade without waiting for a ping", async (server) => {
  const ada = await server.user("ada");
  await crowd(200, async () => {
    const client = ada.client({ reconnection: false });
    await args(client.socket.io, "open");
    const { engine } = client.socket.io;
    const polling = engine.transport;
    let pings = 0;
    engine.on("ping", () => pings++);
    await args(engine, "upgrade");
    isQuiet(polling);
    // A poll that nobody answers ends with the next ping, 25 s later.
    assert.equal(pings, 0);
    await client.connected();
    client.close();
    server.clients.delete(client);
  });
});
