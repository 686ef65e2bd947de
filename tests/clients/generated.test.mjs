// Clients in TypeScript that stock generators make of the two documents: what they choke on, a
// reader of the documents cannot use. They are compiled strictly, and then talk to the server.

import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { TypeScriptGenerator } from "@asyncapi/modelina";
import { Parser } from "@asyncapi/parser";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";
import { PASSWORD, withServer } from "./harness.mjs";

/** A program of somebody who has nothing but the documents. */
const PROGRAM = `
import createClient from "openapi-fetch";
import { io } from "socket.io-client";
import type { Code, MessageSent, ReceiveMessage, SendMessage, SendMessageAck } from "./events.js";
import type { components, paths } from "./routes.js";

export async function talk(url: string, username: string, password: string, peer: number) {
  const rest = createClient<paths>({ baseUrl: url });
  const refused = await rest.POST("/api/auth/login", { body: { username, password: password + "!" } });
  const code: components["schemas"]["Code"] | undefined = refused.error?.error.code;
  const login = await rest.POST("/api/auth/login", { body: { username, password } });
  if (!login.data) throw new Error(login.error.error.code);
  const { token, user } = login.data.data;

  const socket = io(url, { auth: { token }, forceNew: true });
  const told = new Promise<MessageSent>((heard) => socket.once("message_sent", heard));
  const message: SendMessage = { receiver_id: peer, content: "Halo!" };
  const ack: SendMessageAck = await socket.emitWithAck("send_message", message);
  if (!("data" in ack)) throw new Error(ack.error.code);
  const empty: SendMessageAck = await socket.emitWithAck("send_message", { ...message, content: " " } satisfies SendMessage);
  const emptyCode: Code | undefined = "error" in empty ? empty.error.code : undefined;
  const sent = await told;
  socket.close();

  const headers = { authorization: "Bearer " + token };
  const path = { user_id: peer };
  const page = await rest.GET("/api/chats/history/{user_id}", { params: { path, query: { limit: 5 } }, headers });
  if (!page.data) throw new Error(page.error.error.code);
  const rows: Pick<ReceiveMessage, "id" | "sender_id" | "content">[] = page.data.data;
  const more: boolean = page.data.meta.has_more;
  return { code, emptyCode, me: user.id, ack: ack.data.id, sent: sent.id, rows, more };
}
`;

const OPTIONS = {
  strict: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: [],
};

/** Compiles a program and what it imports; says what is wrong with them. */
function compile(file) {
  const program = ts.createProgram([file], OPTIONS);
  const faults = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  return faults.map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
}

/**
 * Everything that a document refers to or holds and that a generator would have to make up a name
 * for.
 */
function nameless(schema, path = "") {
  const found = [];
  for (const [key, part] of Object.entries(schema ?? {})) {
    if (part === null || typeof part !== "object") continue;
    if (part.type === "object" || part.enum || part.oneOf) found.push(`${path}/${key}`);
    found.push(...nameless(part, `${path}/${key}`));
  }
  return found;
}

withServer("the documents leave nothing without a name that a client sends or receives", async (server) => {
  const { openapi, asyncapi } = server.documents;
  for (const { paths, components } of [openapi, { paths: asyncapi.components.messages, components: asyncapi.components }]) {
    assert.deepEqual(nameless(paths), []);
    for (const [name, { oneOf, ...schema }] of Object.entries(components.schemas)) {
      assert.match(name, /^[A-Z][A-Za-z]*$/, "a number at the end tells two types of one name apart");
      assert.deepEqual(nameless(schema), [], name);
      assert.deepEqual(nameless(oneOf), [], name);
    }
    assert.deepEqual(Object.keys(components.schemas.Code).sort(), ["description", "enum", "type"]);
  }
});

withServer("AsyncAPI's own parser finds no fault with the events, and modelina a name for every one", async (server) => {
  const { asyncapi } = server.documents;
  const { diagnostics } = await new Parser().parse(JSON.stringify(asyncapi));
  assert.deepEqual(diagnostics.filter(({ severity }) => severity === 0), []);
  const models = await new TypeScriptGenerator().generate(asyncapi);
  const names = models.map(({ modelName }) => modelName);
  assert.deepEqual(names.filter((name) => /anonymous/i.test(name)), []);
  for (const { payload } of Object.values(asyncapi.components.messages)) {
    const name = payload.$ref.split("/").at(-1);
    assert.ok(names.includes(name), `${name} is none of ${names}`);
  }
});

withServer("a client that is generated from the documents logs in, sends a message and reads it", async (server, t) => {
  const [ada, bob] = await server.users("ada", "bob");
  const folder = await mkdtemp(join(tmpdir(), "chatd-generated-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await symlink(fileURLToPath(new URL("node_modules", import.meta.url)), join(folder, "node_modules"));
  const { openapi, asyncapi } = server.documents;
  const generator = new TypeScriptGenerator({ modelType: "interface", enumType: "union", rawPropertyNames: true });
  const models = await generator.generate(asyncapi);
  const files = {
    "package.json": '{"type":"module"}',
    "routes.ts": astToString(await openapiTS(openapi)),
    "events.ts": models.map(({ result }) => `export ${result}\n`).join("\n"),
    "program.ts": PROGRAM,
    "wrong.ts": PROGRAM.replace("error.error.code", "error.error.reason"),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  assert.deepEqual(compile(join(folder, "program.ts")), []);
  assert.match(compile(join(folder, "wrong.ts")).join(), /'reason' does not exist/);

  const { talk } = await import(pathToFileURL(join(folder, "program.js")));
  const { code, emptyCode, me, ack, sent, rows, more } = await talk(server.url, "ada", PASSWORD, bob.id);
  assert.deepEqual([code, emptyCode, me, sent, more], ["invalid_credentials", "empty_message", ada.id, ack, false]);
  assert.deepEqual(rows.map(({ id, sender_id, content }) => [id, sender_id, content]), [[ack, ada.id, "Halo!"]]);
});
