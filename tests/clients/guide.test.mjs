// The guide "Add chat to your app", as it stands there: its Express backend, its page and its bot, with UUIDs for users.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deadline, runToEnd, withServer } from "./harness.mjs";
import { replaced } from "./readme.mjs";

const SECRET = "a secret that the app and chatd share";
const EVE = { id: "3b241101-e2bb-4255-8caf-4136c566a962", name: "Eve Smith" };
const BOB = { id: "9f1c6a44-0b7e-4d52-9a0e-8a3a5b1c2d3e", name: "Eve Smith" };

const guide = await readFile(new URL("../../src/contract/documents/app.md", import.meta.url), "utf8");

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

/** The guide's backend and its bot, and how its page is opened for one of its users. */
async function open(server, t) {
  // In here, so that the packages are found.
  const folder = await mkdtemp(join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, ".guide-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = async (name, text) => {
    await writeFile(join(folder, name), text);
    return import(pathToFileURL(join(folder, name)));
  };
  const users = JSON.stringify({ [EVE.id]: EVE, [BOB.id]: BOB });
  const login = `\nfunction signedIn(request, response, next) { request.user = ${users}[request.headers["x-user"]]; next(); }\n`;
  process.env.CHATD_URL = server.url;
  process.env.CHATD_JWT_SECRET = SECRET;
  process.env.CHATD_KEY = await run(server, "chatd key add");
  process.env.CHATD_BOT_KEY = await run(server, "chatd bot add");
  const backend = await file("server.mjs", block("js", "// server.mjs") + login);
  const listening = backend.app.listen(0, "127.0.0.1");
  await once(listening, "listening");
  t.after(() => listening.close());
  const notify = await file("notify.mjs", block("js", "// notify.mjs"));
  t.after(() => notify.bot.close());
  const origin = `http://127.0.0.1:${listening.address().port}`;
  const page = async (name, user) => {
    const text = replaced(block("js", "// chat.js"), {
      "http://127.0.0.1:8080": server.url,
      'fetch("/chat-token", { method: "POST" })': `fetch("${origin}/chat-token", { method: "POST", headers: { "x-user": "${user.id}" } })`,
    });
    const opened = await file(`${name}.mjs`, `${text}\nexport ${block("js", "async function chatPage")}`);
    t.after(() => opened.socket.close());
    return opened;
  };
  return { backend, notify, page };
}

withServer("the guide's app has a chat", { flags: [...command("chatd --jwt-issuer"), "--jwt-secret", SECRET] }, async (server, t) => {
  const { backend, notify, page } = await open(server, t);
  const made = await backend.putUsers([EVE, BOB]);
  assert.deepEqual(made.map((user) => user.created), [true, true]);

  const eve = await page("eve", EVE);
  if (!eve.socket.connected) await next(eve.socket, "connect");
  assert.deepEqual(await eve.chats(), []);
  // Who has never opened the chat can be written to.
  const bobs = await eve.find(BOB.id);
  assert.deepEqual([bobs.id, bobs.name, bobs.subject], [made[1].id, BOB.name, BOB.id]);
  const sent = await eve.send(bobs.id, "Is it still there?");
  assert.equal(sent.success, true);

  const bob = await page("bob", BOB);
  if (!bob.socket.connected) await next(bob.socket, "connect");
  const [chat] = await bob.chats();
  assert.deepEqual([chat.user_id, chat.name, chat.last_message, chat.unread_count], [made[0].id, EVE.name, "Is it still there?", 1]);
  assert.deepEqual((await bob.history(chat.user_id)).map((message) => message.id), [sent.data.id]);
  const ticks = next(eve.socket, "chat_read");
  assert.equal((await bob.read(chat.user_id)).data.count, 1);
  const { reader_id, up_to } = await ticks;
  assert.deepEqual([reader_id, up_to], [bobs.id, sent.data.id]);
  assert.equal((await eve.history(bobs.id))[0].is_read, true);

  // The backend tells of an order, and tells it again.
  const told = next(eve.socket, "receive_message");
  await notify.shipped({ id: 7, userId: EVE.id });
  const message = await told;
  assert.deepEqual([message.content, message.meta], ["Your order 7 was shipped.", { order: 7 }]);
  await notify.shipped({ id: 7, userId: EVE.id });
  const shop = (await eve.chats()).find((chat) => chat.user_id === message.sender_id);
  assert.deepEqual([shop.name, shop.is_bot, shop.unread_count], ["The Shop", true, 1]);

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
  assert.equal((await deadline(answer, "the answer over the restart")).success, true);
  assert.equal((await heard).content, "Yes!");
  assert.deepEqual((await eve.history(bobs.id)).map((message) => message.content), ["Is it still there?", "Yes!"]);
});
