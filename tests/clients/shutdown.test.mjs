// A server that stops while stock clients send without a pause: all are told, and all that is
// stored is answered.

import assert from "node:assert/strict";
import { withServer } from "./harness.mjs";

/** How often it is done; what goes wrong in it goes wrong by chance. */
const ROUNDS = Number(process.env.ROUNDS ?? 3);

/**
 * Sends one message after the other until the client hears that it is disconnected. Gives the
 * reason.
 */
function talk(client, receiver, stored, onAnswer) {
  const { socket } = client;
  const send = () =>
    socket.emit("send_message", { receiver_id: receiver.id, content: "without a pause" }, (answer) => {
      if (answer.success) stored.push(answer.data.id);
      else assert.equal(answer.error.code, "storage_unavailable");
      onAnswer();
      send();
    });
  // What is emitted after this would wait for the next connection.
  const told = client.own("disconnect").finally(() => socket.removeAllListeners());
  for (let inFlight = 0; inFlight < 4; inFlight++) send();
  return told;
}

withServer("a server that stops under load answers what it stored and tells every stock client", { flags: ["--rate-limit", "off"] }, async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const stored = [];
  for (let round = 0; round < ROUNDS; round++) {
    const clients = [];
    for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
      // It must not come back by itself while the next server is awaited.
      for (let n = 0; n < 8; n++) clients.push(ada.client({ transports, reconnectionDelay: 60_000, reconnectionDelayMax: 60_000 }));
    }
    await Promise.all(clients.map((client) => client.connected()));
    let told;
    await new Promise((enough) => {
      let answers = 0;
      told = clients.map((client) => talk(client, bob, stored, () => ++answers === 300 && enough()));
    });
    await server.stop();
    for (const [n, reason] of (await Promise.all(told)).entries()) {
      const { socket } = clients[n];
      assert.equal(reason, "transport close", `of a client by ${socket.io.opts.transports}, in round ${round}`);
      assert.ok(socket.active, "it comes back by itself");
      clients[n].close();
    }
    await server.start();
    const history = (await ada.history(bob)).map((message) => message.id);
    assert.deepEqual(history, stored.toSorted((a, b) => a - b), "what is stored was answered, and no more");
  }
});
