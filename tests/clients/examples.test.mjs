// The examples for other people's clients, as they stand there: in JavaScript, Python and Rust each
// does the same. Those of Python and Rust are run by the tests beside their stock clients
// (python/test_examples.py, rust/tests/example.rs).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { PASSWORD, deadline, withServer } from "./harness.mjs";

/** Runs the example for ada, and gives the lines that it prints; `answer` is called with each. */
async function run(server, words, { cursor = "", answer = () => {} } = {}) {
  const child = spawn(process.execPath, ["examples/chat.mjs", "bob", words], {
    cwd: import.meta.dirname ?? new URL(".", import.meta.url).pathname,
    env: { ...process.env, CHATD_URL: server.url, CHATD_USER: "ada", CHATD_PASSWORD: PASSWORD, CHATD_CURSOR: cursor },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  const lines = [];
  child.stdout.setEncoding("utf8").on("data", (text) => {
    said += text;
    const whole = said.split("\n").slice(0, -1);
    for (const line of whole.slice(lines.length)) {
      lines.push(line);
      answer(line);
    }
  });
  try {
    const code = await deadline(new Promise((done) => child.once("close", done)), () => `the example's end: ${said}`);
    assert.equal(code, 0, said);
  } finally {
    child.kill("SIGKILL");
  }
  return lines;
}

withServer("the example in JavaScript sends, hears the answer, and later says what it missed", async (server) => {
  const ada = await server.user("ada");
  const bob = await server.user("bob");
  const b = await bob.connect();
  const answer = (words) => (line) => {
    if (line === `you ${words}`) b.tell("send_message", { receiver_id: ada.id, content: "bye" });
  };
  const first = await run(server, "Halo!", { answer: answer("Halo!") });
  assert.deepEqual(first.slice(0, -1), ["you Halo!", "bob bye"]);
  const [, cursor] = /^cursor (\S+)$/.exec(first.at(-1));
  assert.equal((await b.next("receive_message")).content, "Halo!");
  await b.next("chat_read");

  await b.send(ada, "Are you there?");
  const second = await run(server, "Good morning!", { cursor, answer: answer("Good morning!") });
  assert.ok(second.includes("missed receive_message Are you there?"), second.join("\n"));
  assert.deepEqual(
    second.slice(0, -1).filter((line) => !line.startsWith("missed ")),
    ["you Halo!", "bob bye", "bob Are you there?", "you Good morning!", "bob bye"],
  );
});
