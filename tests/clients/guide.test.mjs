// The guide "Add chat to your app", as it stands there: its Express backend, its page and its bot,
// with UUIDs for users.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deadline, runToEnd, withServer } from "./harness.mjs";
import { replaced } from "./readme.mjs";

const guide = await readFile(new URL("../../src/contract/documents/app.md", import.meta.url), "utf8");

const SECRET = "a secret that the app and chatd share";
const EVE = { id: "3b241101-e2bb-4255-8caf-4136c566a962", name: "Eve Smith" };
const BOB = { id: "9f1c6a44-0b7e-4d52-9a0e-8a3a5b1c2d3e", name: "Bob Jones" };
const FLAGS = [...command("chatd --jwt-issuer"), "--jwt-secret", SECRET];


/** The text of the one block of this language that has this in it. */
function block(language, about) {
  const found = [...guide.matchAll(/^```(\S+)\n(.*?)^```$/gms)].filter(([, name, text]) => name === language && text.includes(about));
  assert.equal(found.length, 1, `blocks of ${language} ${about}`);
  return found[0][2];
}

/** The arguments of the one command of the guide that begins so. */
function command(beginning) {
  const lines = block("sh", beginning).split("\n").filter((line) => line.startsWith(beginning));
  assert.equal(lines.length, 1, beginning);
  const words = lines[0].replace(/\s+#.*$/, "").match(/"[^"]*"|\S+/g);
  return words.slice(1).map((word) => word.replaceAll('"', ""));
}

/** Runs a command of the guide beside the server, and gives what it prints. */
async function run(server, beginning) {
  const { code, stdout, stderr } = await runToEnd(["--data", server.data, ...command(beginning)]);
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

/** The next event of this name that a socket hears. */
const next = (socket, event) => deadline(new Promise((done) => socket.once(event, done)), event);

/** Resolves once it holds. */
async function until(holds, what) {
  let over = false;
  const looking = async () => {
    while (!over && !holds()) await new Promise(setImmediate);
  };
  await deadline(looking(), what).finally(() => (over = true));
}

/** Says "refused" whenever the guide's page asks for a token and gets no answer. */
const asking = new EventEmitter();
const { fetch } = globalThis;
globalThis.fetch = async (...args) => {
  try {
    return await fetch(...args);
  } catch (error) {
    if (String(args[0]).endsWith("/chat-token")) asking.emit("refused");
    throw error;
  }
};

/** The guide's backend and its bot, and how its page is opened for one of its users. */
async function open(server, t) {
  // In here, so that the packages are found.
  const folder = await mkdtemp(join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, ".guide-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = async (name, text) => {
    await writeFile(join(folder, name), text);
    return import(pathToFileURL(join(folder, name)));
  };
  process.env.CHATD_URL = server.url;
  process.env.CHATD_JWT_SECRET = SECRET;
  process.env.CHATD_KEY = await run(server, "chatd key add");
  process.env.CHATD_BOT_KEY = await run(server, "chatd bot add");
  process.env.PORT = "0";
  const chatd = await file("chatd.mjs", block("js", "// chatd.mjs"));
  const { server: app } = await file("server.mjs", block("js", "// server.mjs"));
  if (!app.listening) await once(app, "listening");
  t.after(() => app.close());
  const notify = await file("notify.mjs", block("js", "// notify.mjs"));
  t.after(() => notify.bot.close());
  const { port } = app.address();
  const page = async (name, user) => {
    const text = replaced(block("js", "// chat.js"), {
      "http://127.0.0.1:8080": server.url,
      'fetch("/chat-token", { method: "POST" })': `fetch("http://localhost:${port}/chat-token", { method: "POST", headers: { cookie: "user=${user.id}" } })`,
    });
    const opened = await file(`${name}.mjs`, `${text}\nexport ${block("js", "async function chatPage")}`);
    t.after(() => opened.socket.close());
    const thread = replaced(block("js", "// thread.js"), { "./chat.js": `./${name}.mjs` });
    const files = replaced(block("js", "// files.js"), { "./chat.js": `./${name}.mjs` });
    return { ...opened, files: await file(`${name}-files.mjs`, files), thread: await file(`${name}-thread.mjs`, thread) };
  };
  const joined = async (name, user) => {
    const opened = await page(name, user);
    if (!opened.socket.connected) await next(opened.socket, "connect");
    return opened;
  };
  return { app, chatd, notify, page, joined };
}

/** The contents of what a thread shows. */
const contents = (thread) => thread.shown().map((message) => message.content);

withServer("the guide's app has a chat", { flags: FLAGS }, async (server, t) => {
  const { chatd, notify, joined } = await open(server, t);
  const made = await chatd.putUsers([EVE, BOB]);
  assert.deepEqual(made.map((user) => user.created), [false, false], "the backend made them at its start");
  assert.deepEqual((await chatd.usersOf([made[1].id])).map(({ subject, name }) => [subject, name]), [[BOB.id, BOB.name]]);

  const eve = await joined("eve", EVE);
  assert.equal((await eve.me()).id, made[0].id);
  assert.deepEqual(await eve.chats(), []);
  // Who has never opened the chat can be written to.
  const bobs = await eve.find(BOB.id);
  assert.deepEqual([bobs.id, bobs.name, bobs.subject], [made[1].id, BOB.name, BOB.id]);
  assert.equal(await eve.find("nobody"), undefined);
  await eve.thread.open(bobs.id);
  const sent = await eve.send(bobs.id, "Is it still there?");
  eve.thread.add(sent);
  assert.deepEqual(eve.thread.shown().map(({ id, is_read }) => [id, Boolean(is_read)]), [[sent.id, false]], "told twice, it stands once");

  const bob = await joined("bob", BOB);
  const [chat] = await bob.chats();
  assert.deepEqual([chat.user_id, chat.name, chat.last_message, chat.unread_count], [made[0].id, EVE.name, "Is it still there?", 1]);
  assert.deepEqual((await bob.history(chat.user_id)).map((message) => message.id), [sent.id]);
  const ticks = next(eve.socket, "chat_read");
  assert.equal((await bob.read(chat.user_id)).data.count, 1);
  const { reader_id, up_to } = await ticks;
  assert.deepEqual([reader_id, up_to], [bobs.id, sent.id]);
  assert.equal(eve.thread.shown()[0].is_read, true);
  assert.equal((await eve.history(bobs.id))[0].is_read, true);

  // The backend tells of an order, and tells it again.
  const told = next(eve.socket, "receive_message");
  await notify.shipped({ id: 7, userId: EVE.id });
  const message = await told;
  assert.deepEqual([message.content, message.meta], ["Your order 7 was shipped.", { order: 7 }]);
  await notify.shipped({ id: 7, userId: EVE.id });
  const shop = (await eve.chats()).find((chat) => chat.user_id === message.sender_id);
  assert.deepEqual([shop.name, shop.is_bot, shop.unread_count], ["The Shop", true, 1]);
  await assert.rejects(notify.shipped({ id: 8, userId: "nobody" }), /does not know nobody/);

  // chatd's own page, signed in.
  const url = new URL(await eve.chatPage(bobs.id));
  const [, code, place] = /^#\/sign-in\/(\w+)(.*)$/.exec(url.hash);
  assert.equal(place, `/chat/${bobs.id}`);
  const session = await server.request("POST", "/api/auth/sign-in", { body: { code } });
  assert.equal(session.body.data.user.id, made[0].id, session.text);

  // kill -9: what is sent meanwhile is stored once, and nobody misses anything.
  const back = next(eve.socket, "connect");
  const heard = next(eve.socket, "receive_message");
  await server.kill();
  const answer = bob.send(made[0].id, "Yes!");
  await server.start({ port: server.port });
  await back;
  assert.equal(eve.socket.recovered, true);
  assert.equal((await deadline(answer, "the answer over the restart")).content, "Yes!");
  assert.equal((await heard).content, "Yes!");
  assert.deepEqual((await eve.history(bobs.id)).map((message) => message.content), ["Is it still there?", "Yes!"]);
  assert.deepEqual(contents(eve.thread), ["Is it still there?", "Yes!"]);

  // One that begins afresh reads its thread anew.
  eve.socket.disconnect();
  await bob.send(made[0].id, "Are you there?");
  eve.socket.connect();
  await next(eve.socket, "connect");
  assert.equal(eve.socket.recovered, false);
  await until(() => eve.thread.shown().length === 3, "the thread, read anew");
  assert.deepEqual(contents(eve.thread), ["Is it still there?", "Yes!", "Are you there?"]);
});

withServer("the guide's app sends files and shows them", { flags: FLAGS }, async (server, t) => {
  const { joined } = await open(server, t);
  const [eve, bob] = [await joined("eve", EVE), await joined("bob", BOB)];
  const bobs = await eve.find(BOB.id);
  const bytes = Buffer.alloc(2_000_000, "a film");
  const told = [];
  const id = await eve.files.upload(bytes, "film.bin", (done, all) => told.push([done, all]));
  assert.deepEqual(told.at(-1), [bytes.length, bytes.length]);
  const heard = next(bob.socket, "receive_message");
  const sent = await eve.files.sendFiles(bobs.id, [id]);
  assert.equal(sent.content, "film.bin");
  const { attachments } = await heard;
  assert.deepEqual(attachments.map((file) => [file.id, file.name, file.size]), [[id, "film.bin", bytes.length]]);
  for (const file of [attachments[0], ...(await bob.files.refresh(attachments))]) {
    const answer = await fetch(bob.files.address(file));
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes));
  }

  // By a bot, in one request.
  const [address] = /\$CHATD_URL\S+(?=")/.exec(block("sh", "curl -H"));
  const answer = await fetch(address.replace("$CHATD_URL", server.url), {
    method: "POST",
    headers: { authorization: `Bearer ${process.env.CHATD_BOT_KEY}` },
    body: "%PDF-1.7",
  });
  const { data } = await answer.json();
  assert.deepEqual([answer.status, data.name, data.type], [201, "invoice.pdf", "application/pdf"]);
});

withServer("the guide's page waits for the app's backend, and asks it again", { flags: FLAGS }, async (server, t) => {
  const { app, joined, page } = await open(server, t);
  const eve = await joined("eve", EVE);
  const bobs = await eve.find(BOB.id);
  const { port } = app.address();
  app.close();
  app.closeAllConnections();
  const refused = once(asking, "refused");
  await server.kill();
  const answer = eve.send(bobs.id, "Is it still there?");
  await server.start({ port: server.port });
  await deadline(refused, "a token that is not to be had");
  assert.equal(eve.socket.connected, false);
  await deadline(once(asking, "refused"), "the next try");
  app.listen(port, "localhost");
  await next(eve.socket, "connect");
  assert.equal(eve.socket.recovered, true);
  assert.equal((await deadline(answer, "the answer over both restarts")).content, "Is it still there?");

  // Somebody whom the app does not let in is led to its login.
  const led = new Promise((done) => (globalThis.location = { assign: done }));
  t.after(() => delete globalThis.location);
  const stranger = await page("stranger", { id: "stranger" });
  assert.equal(await deadline(led, "the way to the login"), "/login?why=missing_token");
  assert.equal(stranger.socket.active, false);
});

withServer("the guide's page waits where it sends too fast", { flags: [...FLAGS, "--rate-limit", "messages=2/s:1"] }, async (server, t) => {
  const { joined } = await open(server, t);
  const eve = await joined("eve", EVE);
  const bobs = await eve.find(BOB.id);
  const began = process.hrtime.bigint();
  for (const content of ["1", "2", "3"]) assert.equal((await eve.send(bobs.id, content)).content, content);
  const took = Number(process.hrtime.bigint() - began) / 1e6;
  assert.ok(took > 900, `three messages took ${took} ms, and were not limited`);
  assert.deepEqual((await eve.history(bobs.id)).map((message) => message.content), ["1", "2", "3"]);
});
