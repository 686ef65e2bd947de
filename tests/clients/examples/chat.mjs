// A whole client in JavaScript: it signs in, says what happened since it last ran, reads a history,
// sends a message, and prints what the other person answers, until that is "bye".
//
//   npm install socket.io-client
//   CHATD_USER=ada CHATD_PASSWORD=… node chat.mjs bob "Halo!"
//
// At its end it prints a cursor. Give it as CHATD_CURSOR to the next run.

import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";

const { CHATD_URL = "http://127.0.0.1:8080", CHATD_USER, CHATD_PASSWORD, CHATD_CURSOR } = process.env;
const [peerName, content] = process.argv.slice(2);
let token;

/** Calls a route: its `data` and `meta`. A refusal is an error with its code. */
async function call(method, path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(CHATD_URL + path, { method, headers, body: body && JSON.stringify(body) });
  const { success, data, meta, error } = await response.json();
  if (!success) throw new Error(`${method} ${path}: ${error.code}: ${error.message}`);
  return { data, meta };
}

const login = await call("POST", "/api/auth/login", { username: CHATD_USER, password: CHATD_PASSWORD });
token = login.data.token;

const people = await call("GET", `/api/users?query=${encodeURIComponent(peerName)}`);
const peer = people.data.find(({ username }) => username === peerName);
if (!peer) throw new Error(`there is no ${peerName}, or one may not find them`);

// What happened since the last run, in order and page by page.
for (let since = CHATD_CURSOR; since; ) {
  const { data, meta } = await call("GET", `/api/updates?since=${encodeURIComponent(since)}`);
  for (const { event, data: happened } of data) console.log("missed", event, happened.content ?? "");
  since = meta.has_more ? meta.cursor : undefined;
}

const history = await call("GET", `/api/chats/history/${peer.id}?limit=20`);
for (const { sender_id, content } of history.data) console.log(sender_id === peer.id ? peerName : "you", content);

// `auth` is a function, so that a client which comes back after its token has expired can bring a
// fresh one.
const socket = io(CHATD_URL, { auth: (give) => give({ token, v: 2 }), retries: 10, ackTimeout: 10_000 });
socket.on("connect_error", (error) => {
  if (!socket.active) throw error; // Refused: error.data.code says why. Else the client tries again.
});

const bye = new Promise((done) => {
  // Durable events bring their cursor as a second argument.
  socket.on("receive_message", (message, cursor) => {
    if (message.sender_id !== peer.id) return;
    console.log(peerName, message.content);
    if (message.content === "bye") done(cursor);
  });
});

const ack = await socket.emitWithAck("send_message", { receiver_id: peer.id, content, client_id: randomUUID() });
if (!ack.success) throw new Error(`${ack.error.code}: ${ack.error.message}`);
console.log("you", ack.data.content);

const cursor = await bye;
await socket.emitWithAck("mark_chat_as_read", { user_id: peer.id });
console.log("cursor", cursor);
socket.disconnect();
