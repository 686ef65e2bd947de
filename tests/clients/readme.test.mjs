// The README's program, as it stands there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { deadline, withServer } from "./harness.mjs";
import { block, replaced } from "./readme.mjs";

withServer("the README's stock client sends, and the other one hears it", async (server) => {
  await server.user("ada", { password: "correct horse" });
  const bob = await server.user("bob");
  const b = await bob.connect();
  const program = replaced(await block("js", "socket.io-client"), { "http://127.0.0.1:8080": server.url });
  const child = spawn(process.execPath, ["--input-type=module", "--eval", `${program}\nsocket.close();`], {
    cwd: import.meta.dirname ?? new URL(".", import.meta.url).pathname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (said += text));
  try {
    const code = await deadline(new Promise((done) => child.once("close", done)), () => `the program's end: ${said}`);
    assert.equal(code, 0);
  } finally {
    child.kill("SIGKILL");
  }
  assert.match(said, /success: true/);
  assert.equal((await b.next("receive_message")).content, "Halo!");
});
