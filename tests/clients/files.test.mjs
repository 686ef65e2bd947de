// Files by the stock client of the tus protocol: cut off again and again, also by the death of the
// server, and whole.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import { Upload } from "tus-js-client";
import { deadline, withServer } from "./harness.mjs";

const MIB = 1 << 20;
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Numbers from 0 to 1, the same at each run. */
function numbers(seed) {
  return () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** Leads to the server, and cuts each connection after some bytes, as long as `cuts` are left. */
async function cuttingProxy(t, server, cuts, random) {
  const proxy = createServer((client) => {
    let left = cuts > 0 ? Math.floor(random() * 3 * MIB) : Infinity;
    const inner = connect(server.port, "127.0.0.1");
    const end = () => {
      client.destroy();
      inner.destroy();
    };
    client.on("error", end).on("close", end);
    inner.on("error", end).on("close", end);
    inner.pipe(client);
    client.on("data", (bytes) => {
      left -= bytes.length;
      if (left < 0) {
        cuts--;
        end();
      } else if (!inner.write(bytes)) {
        client.pause();
        inner.once("drain", () => client.resume());
      }
    });
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  t.after(() => proxy.close());
  return { url: `http://127.0.0.1:${proxy.address().port}`, left: () => cuts };
}

/** Uploads to the end, whatever comes; gives the file's id. */
function upload(bytes, endpoint, token, options = {}) {
  return new Promise((done, failed) => {
    const upload = new Upload(bytes, {
      endpoint,
      headers: { authorization: `Bearer ${token}` },
      metadata: { filename: "film.bin", filetype: "video/mp4" },
      retryDelays: Array(200).fill(20),
      onError: failed,
      onSuccess: ({ lastResponse }) => done(lastResponse.getHeader("Upload-File")),
      ...options,
    });
    upload.start();
  });
}

async function served(server, url) {
  const answer = await fetch(`${server.url}/${url}`);
  assert.equal(answer.status, 200);
  return Buffer.from(await answer.arrayBuffer());
}

withServer("a stock tus client uploads what is cut off again and again, and what outlives the server", async (server, t) => {
  const [ada, bob] = await server.users("ada", "bob");
  const bytes = randomBytes(12 * MIB);
  const proxy = await cuttingProxy(t, server, 12, numbers(7));
  let lives = 0;
  const dying = {
    chunkSize: MIB + 17,
    onChunkComplete: (_, offset) => {
      if (lives < 2 && offset > (lives + 1) * 4 * MIB) {
        lives++;
        // While the next chunk is on its way.
        restarting = restarting.then(() => server.kill()).then(() => server.start());
      }
    },
  };
  let restarting = Promise.resolve();
  const id = await deadline(upload(bytes, `${proxy.url}/api/uploads`, ada.token, dying), "the end of the upload");
  await restarting;
  assert.equal(lives, 2);
  assert.match(id, /^f[0-9a-f]{32}$/);

  const a = await ada.connect({ auth: { token: ada.token, v: 2 } });
  const sent = await a.socket.emitWithAck("send_message", { receiver_id: bob.id, attachments: [id] });
  assert.equal(sent.success, true, JSON.stringify(sent));
  const { data } = await bob.get(`/api/chats/history/${ada.id}`);
  const [file] = data[0].attachments;
  assert.deepEqual([file.name, file.size, data[0].content], ["film.bin", bytes.length, "film.bin"]);
  assert.equal(sha(await served(server, file.url)), sha(bytes));
});

withServer("a stock tus client uploads in one piece, an empty file too, and is told what is too large", async (server) => {
  const ada = await server.user("ada");
  const endpoint = `${server.url}/api/uploads`;
  for (const bytes of [Buffer.from("hello"), Buffer.alloc(0)]) {
    for (const options of [{}, { uploadDataDuringCreation: true }]) {
      const id = await deadline(upload(bytes, endpoint, ada.token, options), "the end of the upload");
      const answer = await ada.request("POST", "/api/files/urls", { body: { ids: [id] } });
      const [file] = answer.body.data;
      assert.equal(file.size, bytes.length);
      assert.deepEqual(await served(server, file.url), bytes);
    }
  }
  const large = upload(Buffer.alloc(1), endpoint, ada.token, { uploadSize: 101 * MIB, retryDelays: null });
  await assert.rejects(deadline(large, "a refusal"), /file_too_large/);
});
