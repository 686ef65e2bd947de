// The contract's core on stock socket.io and better-sqlite3: what chatd is held against. One
// process, one thread, as socket.io runs; WAL with synchronous=FULL, so that what is confirmed is
// on the disk; one transaction for each change; prepared statements; an index for every query. By
// environment: PORT, DATA (the database's file), JWT_SECRET.
import { createSecretKey } from "node:crypto";
import { createServer } from "node:http";
import Database from "better-sqlite3";
import jwt from "jsonwebtoken";
import { Server } from "socket.io";

const { PORT, DATA, JWT_SECRET } = process.env;
// As a key object: of a string jsonwebtoken finds out anew each time, and slowly, that it is no
// public key.
const secret = createSecretKey(Buffer.from(JWT_SECRET));

const db = new Database(DATA);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.pragma("cache_size = -65536");
db.exec(`
  CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, avatar TEXT);
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    content TEXT NOT NULL, is_read INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS messages_of_two ON messages (low, high, id);
  CREATE TABLE IF NOT EXISTS chats (
    user_id INTEGER NOT NULL, peer_id INTEGER NOT NULL, last_message_id INTEGER NOT NULL, unread INTEGER NOT NULL,
    PRIMARY KEY (user_id, peer_id)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS chats_by_time ON chats (user_id, last_message_id);
  CREATE TABLE IF NOT EXISTS client_ids (
    sender_id INTEGER NOT NULL, client_id TEXT NOT NULL, message_id INTEGER NOT NULL,
    PRIMARY KEY (sender_id, client_id)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS room_messages (
    id INTEGER PRIMARY KEY, sender_id INTEGER NOT NULL, content TEXT NOT NULL, created_at TEXT NOT NULL);
`);

const statements = {
  addUser: db.prepare("INSERT OR IGNORE INTO users (id, username, avatar) VALUES (?, ?, ?)"),
  user: db.prepare("SELECT id FROM users WHERE id = ?").pluck(),
  addMessage: db.prepare(
    "INSERT INTO messages (low, high, sender_id, content, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
  ),
  addRoomMessage: db.prepare("INSERT INTO room_messages (sender_id, content, created_at) VALUES (?, ?, ?)"),
  message: db.prepare("SELECT id, low, high, sender_id, content, is_read, created_at FROM messages WHERE id = ?"),
  touchChat: db.prepare(
    `INSERT INTO chats (user_id, peer_id, last_message_id, unread) VALUES (?, ?, ?, ?)
     ON CONFLICT (user_id, peer_id) DO UPDATE SET last_message_id = excluded.last_message_id, unread = unread + excluded.unread`,
  ),
  known: db.prepare("SELECT message_id FROM client_ids WHERE sender_id = ? AND client_id = ?").pluck(),
  remember: db.prepare("INSERT INTO client_ids (sender_id, client_id, message_id) VALUES (?, ?, ?)"),
  markRead: db.prepare("UPDATE messages SET is_read = 1, updated_at = ? WHERE id = ? AND is_read = 0"),
  lessUnread: db.prepare("UPDATE chats SET unread = max(unread - ?, 0) WHERE user_id = ? AND peer_id = ?"),
  markChat: db.prepare(
    `UPDATE messages SET is_read = 1, updated_at = ?
     WHERE low = ? AND high = ? AND sender_id = ? AND is_read = 0 AND id <= ? RETURNING id`,
  ).pluck(),
  history: db.prepare(
    `SELECT id, sender_id, content, is_read, created_at, updated_at FROM messages
     WHERE low = ? AND high = ? AND id < ? ORDER BY id DESC LIMIT ?`,
  ),
  recents: db.prepare(
    `SELECT c.peer_id AS user_id, u.username, u.avatar, m.content AS last_message, m.created_at AS last_message_time,
            c.unread AS unread_count, m.id AS last_message_id, m.sender_id AS last_sender_id
     FROM chats c JOIN users u ON u.id = c.peer_id JOIN messages m ON m.id = c.last_message_id
     WHERE c.user_id = ? AND c.last_message_id < ? ORDER BY c.last_message_id DESC LIMIT ?`,
  ),
};

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const pair = (one, other) => (one < other ? [one, other] : [other, one]);

const storeMessage = db.transaction((sender, receiver, content, clientId, now) => {
  if (clientId !== undefined) {
    const earlier = statements.known.get(sender, clientId);
    if (earlier !== undefined) return { id: earlier, again: true };
  }
  const id = Number(statements.addMessage.run(...pair(sender, receiver), sender, content, now, now).lastInsertRowid);
  statements.touchChat.run(sender, receiver, id, 0);
  statements.touchChat.run(receiver, sender, id, 1);
  if (clientId !== undefined) statements.remember.run(sender, clientId, id);
  return { id, again: false };
});

const storeRead = db.transaction((reader, message, now) => {
  if (statements.markRead.run(now, message.id).changes === 0) return false;
  statements.lessUnread.run(1, reader, message.sender_id);
  return true;
});

const storeChatRead = db.transaction((reader, peer, upTo, now) => {
  const ids = statements.markChat.all(now, ...pair(reader, peer), peer, upTo);
  if (ids.length > 0) statements.lessUnread.run(ids.length, reader, peer);
  return ids;
});

// A token's subject, whose account is made if it is new.
function admit(token) {
  const claims = jwt.verify(token, secret, { algorithms: ["HS256"] });
  const id = Number(claims.sub);
  if (statements.user.get(id) === undefined) statements.addUser.run(id, claims.username, claims.avatar ?? null);
  return id;
}

const number = (value, key) => {
  const id = Number(value);
  if (!Number.isSafeInteger(id) || id < 1) throw new Refusal("invalid_payload", `${key} must be an id`);
  return id;
};

const http = createServer(rest);
const io = new Server(http);
const room = (id) => `user:${id}`;
const EVERYBODY = "everybody";

io.use((socket, next) => {
  try {
    socket.data.user = admit(socket.handshake.auth.token);
    next();
  } catch {
    const error = new Error("invalid token");
    error.data = { code: "invalid_token" };
    next(error);
  }
});

// A room in which everybody is, with no positions and no counts: less than the contract asks for.
function sendToRoom(sender, content) {
  if (typeof content !== "string" || content.trim() === "") throw new Refusal("empty_message", "content is empty");
  const now = new Date().toISOString();
  const id = Number(statements.addRoomMessage.run(sender, content, now).lastInsertRowid);
  const sent = { id, room_id: 1, number: id, sender_id: sender, content, created_at: now };
  io.to(EVERYBODY).emit("room_message", sent);
  return sent;
}

const events = {
  send_message(socket, payload) {
    const sender = socket.data.user;
    if (payload.room_id !== undefined) return sendToRoom(sender, payload.content);
    const receiver = number(payload.receiver_id, "receiver_id");
    const { content, client_id: clientId } = payload;
    if (typeof content !== "string" || content.trim() === "") throw new Refusal("empty_message", "content is empty");
    if (content.length > 4_000) throw new Refusal("message_too_long", "content has more than 4000 characters");
    if (receiver === sender) throw new Refusal("invalid_receiver", "that is yourself");
    if (statements.user.get(receiver) === undefined) throw new Refusal("not_found", "no such user");
    const now = new Date().toISOString();
    const { id, again } = storeMessage(sender, receiver, content, clientId, now);
    const createdAt = again ? statements.message.get(id).created_at : now;
    const sent = { id, receiver_id: receiver, content, created_at: createdAt };
    if (clientId !== undefined) sent.client_id = clientId;
    if (again) {
      socket.emit("message_sent", sent);
    } else {
      io.to(room(receiver)).emit("receive_message", { id, sender_id: sender, receiver_id: receiver, content, created_at: now });
      io.to(room(sender)).emit("message_sent", sent);
    }
    return sent;
  },
  mark_as_read(socket, payload) {
    const reader = socket.data.user;
    const id = number(payload.message_id, "message_id");
    const message = statements.message.get(id);
    if (message === undefined || (message.low !== reader && message.high !== reader)) {
      throw new Refusal("not_found", "no such message");
    }
    if (message.sender_id === reader) throw new Refusal("forbidden", "you sent that message");
    if (storeRead(reader, message, new Date().toISOString())) {
      const read = { message_id: id, user_id: reader };
      io.to(room(message.sender_id)).emit("messege_read", read);
      socket.to(room(reader)).emit("messege_read", read);
    }
    return { message_id: id };
  },
  mark_chat_as_read(socket, payload) {
    const reader = socket.data.user;
    const peer = number(payload.user_id, "user_id");
    const upTo = payload.up_to === undefined ? Number.MAX_SAFE_INTEGER : number(payload.up_to, "up_to");
    const ids = storeChatRead(reader, peer, upTo, new Date().toISOString());
    if (ids.length > 0) {
      socket.to([room(reader), room(peer)]).emit("chat_read", { reader_id: reader, peer_id: peer, up_to: Math.max(...ids) });
      for (const id of ids.sort((a, b) => a - b).slice(-100)) {
        io.to(room(peer)).emit("messege_read", { message_id: id, user_id: reader });
      }
    }
    return { user_id: peer, count: ids.length };
  },
};

io.on("connection", (socket) => {
  socket.join([room(socket.data.user), EVERYBODY]);
  for (const [name, handle] of Object.entries(events)) {
    socket.on(name, (payload, ack) => {
      try {
        const data = handle(socket, payload ?? {});
        ack?.({ success: true, data });
      } catch (cause) {
        const code = cause instanceof Refusal ? cause.code : "internal";
        const error = { code, message: cause.message };
        if (ack) ack({ success: false, error });
        else socket.emit("chat_error", { event: name, ...error });
      }
    });
  }
});

function rest(request, response) {
  const answer = (status, body) => {
    const text = JSON.stringify(body);
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
    response.end(text);
  };
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/readyz") return answer(200, { success: true });
  let user;
  try {
    user = admit(request.headers.authorization?.replace(/^Bearer /, ""));
  } catch {
    return answer(401, { success: false, error: { code: "invalid_token", message: "invalid token" } });
  }
  const limit = Math.min(Number(url.searchParams.get("limit") ?? 50), 500);
  const before = Number(url.searchParams.get("before") ?? Number.MAX_SAFE_INTEGER);
  const history = /^\/api\/chats\/history\/(\d+)\/?$/.exec(url.pathname);
  if (history) {
    const peer = Number(history[1]);
    const rows = statements.history.all(...pair(user, peer), before, limit + 1);
    const more = rows.length > limit;
    if (more) rows.pop();
    const data = rows.reverse().map((row) => ({
      id: row.id,
      sender_id: row.sender_id,
      receiver_id: row.sender_id === user ? peer : user,
      content: row.content,
      is_read: row.is_read === 1,
      created_at: row.created_at,
      updated_at: row.updated_at,
    }));
    return answer(200, { success: true, data, meta: { has_more: more } });
  }
  if (/^\/api\/chats\/?$/.test(url.pathname)) {
    const data = statements.recents.all(user, before, limit + 1);
    const meta = {};
    if (data.length > limit) {
      data.pop();
      meta.next_before = data.at(-1).last_message_id;
    }
    return answer(200, { success: true, data, meta });
  }
  answer(404, { success: false, error: { code: "not_found", message: "no such route" } });
}

http.listen(Number(PORT), "127.0.0.1");
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    db.close();
    process.exit(0);
  });
}
