// The README's reverse proxies, run for real: stock clients through them, and what `chatd doctor` says.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Server, deadline, freshFolder, runToEnd } from "./harness.mjs";
import { block, replaced } from "./readme.mjs";

/** A port that was free a moment ago: these programs take no other. */
async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts a proxy, and waits until it says this; ends it after the test. */
async function startProxy(t, program, args, ready, env = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  const ended = new Promise((done) => child.once("close", done));
  t.after(async () => {
    child.kill("SIGTERM");
    await deadline(ended, () => `the end of ${program}: ${said}`);
  });
  const isReady = new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", (code) => failed(new Error(`${program} ended with ${code}: ${said}`)));
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      if (said.includes(ready)) done();
    });
  });
  await deadline(isReady, () => `the start of ${program}: ${said}`);
}

/** A server, a certificate for localhost, and a folder for the proxy's own files. */
async function stage(t, flags = []) {
  let server;
  t.after(() => server?.end());
  const folder = await freshFolder(t);
  server = new Server(join(folder, "chat.redb"), { flags: ["--ping-interval", "1s", ...flags] });
  await server.start();
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90"];
  execFileSync("openssl", [...made, "-keyout", key, "-out", cert, ...names], { stdio: "ignore" });
  return { server, folder, cert, key, port: await freePort() };
}

async function startNginx(t, { folder, port }, site) {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  const config = `daemon off; pid ${folder}/nginx.pid; error_log stderr notice; worker_processes 1;
${process.getuid() === 0 ? "user root;" : ""}
events {}
http { access_log off; ${temporary.join(" ")}
${site}
}`;
  const file = join(folder, "nginx.conf");
  await writeFile(file, config);
  await startProxy(t, NGINX, ["-p", folder, "-e", "stderr", "-c", file], "start worker process ");
  return `https://localhost:${port}`;
}

/** Stock clients chat through the proxy: one that upgrades, one by WebSocket alone, one by polling alone. */
async function chatThrough(stage, url) {
  const { server, cert } = stage;
  const ca = await readFile(cert);
  const [ada, bob] = await server.users("ada", "bob");
  const through = (user, options = {}) => user.client({ at: url, ca, ...options });
  const upgrading = through(ada);
  const upgraded = new Promise((done) => upgrading.socket.io.engine.once("upgrade", done));
  const others = [["websocket"], ["polling"]].map((transports) => through(bob, { transports }));
  await Promise.all([upgrading, ...others].map((client) => client.connected()));
  await deadline(upgraded, "the upgrade");
  assert.equal(upgrading.transport, "websocket");
  await upgrading.send(bob, "through the proxy");
  for (const client of others) assert.equal((await client.next("receive_message")).content, "through the proxy");
}

const doctor = ({ server, cert }, url) => runToEnd(["doctor", url, "--ca", cert, "--data", server.data]);

const program = (...places) => places.find(existsSync);
const NGINX = program("/usr/sbin/nginx", "/usr/bin/nginx");
const CADDY = program("/usr/bin/caddy", "/usr/local/bin/caddy");

test("the README's nginx serves stock clients, and the doctor finds nothing", { skip: NGINX ? false : "no nginx" }, async (t) => {
  const set = await stage(t, ["--trusted-proxy", "127.0.0.1"]);
  const site = replaced(await block("nginx"), {
    "listen 443 ssl": `listen 127.0.0.1:${set.port} ssl`,
    "chat.example.org;": "localhost;",
    "/etc/letsencrypt/live/chat.example.org/fullchain.pem": set.cert,
    "/etc/letsencrypt/live/chat.example.org/privkey.pem": set.key,
    "127.0.0.1:8080": `127.0.0.1:${set.server.port}`,
  });
  const url = await startNginx(t, set, site);
  await chatThrough(set, url);
  const { code, stdout, stderr } = await doctor(set, url);
  assert.equal(code, 0, stdout + stderr);
  assert.doesNotMatch(stdout, /^(FAIL|warn)/m);
  assert.match(stdout, /^ok +scheme: told as it is$/m);
});

test("an nginx with nothing but proxy_pass is found out", { skip: NGINX ? false : "no nginx" }, async (t) => {
  const set = await stage(t, ["--max-payload", "3000000"]);
  const url = await startNginx(
    t,
    set,
    `server { listen 127.0.0.1:${set.port} ssl; ssl_certificate ${set.cert}; ssl_certificate_key ${set.key};
      location / { proxy_pass http://127.0.0.1:${set.server.port}; } }`,
  );
  const { code, stdout, stderr } = await doctor(set, url);
  assert.equal(code, 1, stdout + stderr);
  const wrong = [...stdout.matchAll(/^FAIL +([^:]+):/gm)].map(([, what]) => what);
  assert.deepEqual(wrong, ["Host", "client address", "scheme", "WebSocket", "body size"], stdout);
  assert.match(stdout, /^FAIL +body size: .*client_max_body_size 4m;/m);
});

test("the README's Caddy serves stock clients, and the doctor finds nothing", { skip: CADDY ? false : "no caddy" }, async (t) => {
  const set = await stage(t, ["--trusted-proxy", "127.0.0.1"]);
  const site = replaced(await block("Caddyfile"), {
    "chat.example.org {": `https://localhost:${set.port} {\n\ttls ${set.cert} ${set.key}`,
    "127.0.0.1:8080": `127.0.0.1:${set.server.port}`,
  });
  const file = join(set.folder, "Caddyfile");
  await writeFile(file, `{\n\tadmin off\n\tauto_https off\n}\n${site}`);
  const homes = { HOME: set.folder, XDG_DATA_HOME: set.folder, XDG_CONFIG_HOME: set.folder };
  await startProxy(t, CADDY, ["run", "--adapter", "caddyfile", "--config", file], "serving initial configuration", homes);
  const url = `https://localhost:${set.port}`;
  await chatThrough(set, url);
  const { code, stdout, stderr } = await doctor(set, url);
  assert.equal(code, 0, stdout + stderr);
  assert.doesNotMatch(stdout, /^(FAIL|warn)/m);
});
