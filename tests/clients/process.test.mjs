// The executable as a program: flags, exit codes, and what it refuses to start on.

import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Server, freshFolder, runToEnd, withServer } from "./harness.mjs";

/** It failed, and said so in one line for people. */
function failedInOneLine({ code, stdout, stderr }) {
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^chatd: [^\n]+\n$/, "one line on standard error");
  assert.equal(stdout, "");
}

withServer("a second server on the same data file refuses to start, and the first goes on", async (server) => {
  const [ada, bob] = await server.users("ada", "bob");
  const a = await ada.connect();
  const second = await runToEnd(["--port", "0", "--data", server.data]);
  failedInOneLine(second);
  assert.match(second.stderr, /in use|held/);
  const { id } = await a.send(bob, "still here");
  assert.equal((await bob.history(ada))[0].id, id);
});

withServer("a second server on the same data file says who holds it", async (server) => {
  const second = await runToEnd(["--port", "0", "--data", server.data]);
  assert.match(second.stderr, new RegExp(`\\b${server.run.child.pid}\\b`), "the process id of the first");
});

withServer("a server that was refused its data file gets it when the first has gone", async (server) => {
  const ada = await server.user("ada");
  assert.equal((await runToEnd(["--port", "0", "--data", server.data])).code, 1);
  await server.kill();
  await server.start();
  assert.equal((await ada.get("/api/auth/me")).data.username, "ada");
});

test("a port that another program has is refused in one line", async (t) => {
  const folder = await freshFolder(t);
  const other = createServer();
  t.after(() => other.close());
  await new Promise((done) => other.listen(0, "127.0.0.1", done));
  const { port } = other.address();
  const run = await runToEnd(["--port", String(port), "--data", join(folder, "chat.redb")]);
  failedInOneLine(run);
  assert.ok(run.stderr.includes(String(port)), run.stderr);
  assert.deepEqual(await readdir(folder), [], "nothing is made where nothing starts");
});

for (const flags of [["--no-such-flag"], ["--port", "70000"], ["--port"], ["--registration", "maybe"], ["--ping-interval", "never"], ["no-such-command"]]) {
  test(`wrong usage (${flags.join(" ")}) ends with 2 and says what is wrong`, async (t) => {
    const folder = await freshFolder(t);
    const run = await runToEnd(flags, folder);
    assert.equal(run.code, 2, run.stderr);
    assert.ok(run.stderr.includes(flags[0]), run.stderr);
    assert.equal(run.stdout, "");
    assert.deepEqual(await readdir(folder), []);
  });
}

test("a file of something else given as --data is refused in one line and stays as it is", async (t) => {
  const folder = await freshFolder(t);
  for (const [name, content] of [
    ["letter.txt", "Dear Bob,\n\nthis is not a database.\n"],
    ["long.txt", "This is not a database.\n".repeat(10_000)],
    ["zeros.bin", Buffer.alloc(100_000)],
  ]) {
    const file = join(folder, name);
    await writeFile(file, content);
    const run = await runToEnd(["--port", "0", "--data", file]);
    failedInOneLine(run);
    assert.ok((await readFile(file)).equals(Buffer.from(content)), `${name} was changed`);
  }
});

test("a data file that cannot be made is refused in one line", async (t) => {
  const folder = await freshFolder(t);
  failedInOneLine(await runToEnd(["--port", "0", "--data", folder]));
  failedInOneLine(await runToEnd(["--port", "0", "--data", join(folder, "no", "such", "folder", "chat.redb")]));
});

test("--help and --version answer on standard output and end with 0", async () => {
  const help = await runToEnd(["--help"]);
  assert.equal(help.code, 0);
  for (const flag of ["--host", "--port", "--data", "--registration"]) assert.ok(help.stdout.includes(flag), flag);
  assert.equal(help.stderr, "");
  const version = await runToEnd(["--version"]);
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^chatd \d+\.\d+\.\d+/);
});

test("a server that nobody used starts, stops with 0, and starts again on its data", async (t) => {
  const folder = await freshFolder(t);
  const server = new Server(join(folder, "chat.redb"), { registration: "invite" });
  try {
    await server.start();
    assert.ok(server.setupCode);
    await server.stop();
    await server.start();
    assert.ok(server.setupCode, "there is still no account, so the set-up link is named again");
    const ada = await server.user("ada", { invite: server.setupCode });
    assert.equal(ada.account.is_admin, true);
  } finally {
    await server.end();
  }
});
