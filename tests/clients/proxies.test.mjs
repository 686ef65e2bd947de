// The handbook's reverse proxies, run for real: stock clients through them, and what `chatd doctor`
// says.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { request as http } from "node:http";
import { request as https } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Client, Server, deadline, freshFolder, launch, runToEnd } from "./harness.mjs";
import { HANDBOOK, block, replaced } from "./readme.mjs";

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

/**
 * Stock clients chat through the proxy: one that upgrades, one by WebSocket alone, one by polling
 * alone.
 */
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

test("the handbook's nginx serves stock clients, and the doctor finds nothing", { skip: NGINX ? false : "no nginx" }, async (t) => {
  const set = await stage(t, ["--trusted-proxy", "127.0.0.1"]);
  const site = replaced(await block("nginx", "", HANDBOOK), {
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
  assert.deepEqual(wrong, ["Host", "client address", "scheme", "WebSocket", "body size", "uploads"], stdout);
  assert.match(stdout, /^FAIL +body size: .*client_max_body_size 4m;/m);
});

test("the README's Caddy serves stock clients, and the doctor finds nothing", { skip: CADDY ? false : "no caddy" }, async (t) => {
  const set = await stage(t, ["--trusted-proxy", "127.0.0.1"]);
  assert.equal(await block("Caddyfile"), await block("Caddyfile", "", HANDBOOK));
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

// What becomes of the page, the sessions, the links and the client's address in the configurations
// that people have.

const HERE = "127.0.0.9";
const UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';
const FOR = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
const PROTO = "proxy_set_header X-Forwarded-Proto $scheme;";
const TRUSTED = ["--trusted-proxy", "127.0.0.1"];
const GOOD = { page: 200, websocket: true, polling: true, address: HERE };

const nginx = (location, headers, slash = "") => (set) =>
  startNginx(
    set.t,
    set,
    `server { listen 127.0.0.1:${set.port} ssl; server_name localhost; ssl_certificate ${set.cert}; ssl_certificate_key ${set.key};
      location ${location} { proxy_pass http://127.0.0.1:${set.server.port}${slash}; ${headers} } }`,
  );

/**
 * The inner of two: the outer one passes on to it what the configuration says, and it adds its
 * part.
 */
const nginxTwice = (outer, inner) => async (set) => {
  const between = await freePort();
  return startNginx(
    set.t,
    set,
    `server { listen 127.0.0.1:${between}; location / { proxy_pass http://127.0.0.1:${set.server.port}; ${inner} } }
    server { listen 127.0.0.1:${set.port} ssl; server_name localhost; ssl_certificate ${set.cert}; ssl_certificate_key ${set.key};
      location / { proxy_pass http://127.0.0.1:${between}; ${outer} } }`,
  );
};

const caddy = (body) => async (set) => {
  const file = join(set.folder, "Caddyfile");
  const site = body.replaceAll("UPSTREAM", `127.0.0.1:${set.server.port}`);
  await writeFile(file, `{\n\tadmin off\n\tauto_https off\n}\nhttps://localhost:${set.port} {\n\ttls ${set.cert} ${set.key}\n${site}\n}\n`);
  const homes = { HOME: set.folder, XDG_DATA_HOME: set.folder, XDG_CONFIG_HOME: set.folder };
  await startProxy(set.t, CADDY, ["run", "--adapter", "caddyfile", "--config", file], "serving initial configuration", homes);
  return `https://localhost:${set.port}`;
};

/**
 * Name, program, flags, how the proxy is started, what is seen. `links` is what they begin with, of
 * `SITE`, the proxy's URL.
 */
const CONFIGURATIONS = [
  ["as in the handbook", NGINX, TRUSTED, nginx("/", `${UPGRADE} proxy_set_header Host $http_host; ${FOR} ${PROTO}`), { ...GOOD, links: "SITE" }],
  // The page itself says by which scheme it was loaded; a program does not.
  [
    "not trusted",
    NGINX,
    [],
    nginx("/", `${UPGRADE} proxy_set_header Host $http_host; ${FOR} ${PROTO}`),
    { ...GOOD, address: "127.0.0.1", links: "http://localhost:PORT" },
  ],
  [
    "$host, which loses the port",
    NGINX,
    TRUSTED,
    nginx("/", `${UPGRADE} proxy_set_header Host $host; ${FOR} ${PROTO}`),
    { ...GOOD, websocket: false, links: "https://localhost", log: /a page of https:\/\/localhost:\d+ was refused/ },
  ],
  [
    "$host and the port beside it",
    NGINX,
    TRUSTED,
    nginx("/", `${UPGRADE} proxy_set_header Host $host; proxy_set_header X-Forwarded-Port $server_port; ${FOR} ${PROTO}`),
    { ...GOOD, links: "SITE" },
  ],
  [
    "$host and a public URL",
    NGINX,
    [...TRUSTED, "--public-url", "SITE"],
    nginx("/", `${UPGRADE} proxy_set_header Host $host; ${FOR}`),
    { ...GOOD, links: "SITE" },
  ],
  [
    "X-Forwarded-Host",
    NGINX,
    TRUSTED,
    nginx("/", `${UPGRADE} proxy_set_header X-Forwarded-Host $http_host; ${FOR} ${PROTO}`),
    { ...GOOD, links: "SITE" },
  ],
  [
    "Forwarded alone",
    NGINX,
    TRUSTED,
    nginx("/", `${UPGRADE} proxy_set_header Forwarded "for=$remote_addr;host=\\"$http_host\\";proto=$scheme";`),
    { ...GOOD, links: "SITE" },
  ],
  [
    "below a path that is taken away and told",
    NGINX,
    TRUSTED,
    nginx("/chat/", `${UPGRADE} proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Prefix /chat; ${FOR} ${PROTO}`, "/"),
    { ...GOOD, below: "/chat", links: "SITE/chat" },
  ],
  [
    "below a path that is taken away, with a public URL",
    NGINX,
    [...TRUSTED, "--public-url", "SITE/chat/"],
    nginx("/chat/", `${UPGRADE} proxy_set_header Host $http_host; ${FOR} ${PROTO}`, "/"),
    { ...GOOD, below: "/chat", links: "SITE/chat" },
  ],
  [
    "below a path that is left, with a public URL",
    NGINX,
    [...TRUSTED, "--public-url", "SITE/chat"],
    nginx("/chat", `${UPGRADE} proxy_set_header Host $http_host; ${FOR} ${PROTO}`),
    { ...GOOD, below: "/chat", links: "SITE/chat" },
  ],
  [
    "nothing but proxy_pass, with a public URL",
    NGINX,
    ["--public-url", "SITE"],
    nginx("/", ""),
    { ...GOOD, websocket: false, address: "127.0.0.1", links: "SITE", log: /proxy_set_header Upgrade/ },
  ],
  [
    "two in a row",
    NGINX,
    TRUSTED,
    nginxTwice(
      `${UPGRADE} proxy_set_header Host $http_host; ${FOR} ${PROTO}`,
      `${UPGRADE} proxy_set_header Host $http_host; ${FOR} proxy_set_header X-Forwarded-Proto "$http_x_forwarded_proto, $scheme";`,
    ),
    { ...GOOD, links: "SITE" },
  ],
  ["Caddy as in the README", CADDY, TRUSTED, caddy("\treverse_proxy UPSTREAM"), { ...GOOD, links: "SITE" }],
  [
    "Caddy that names the server as it knows it",
    CADDY,
    TRUSTED,
    caddy("\treverse_proxy UPSTREAM {\n\t\theader_up Host {upstream_hostport}\n\t}"),
    { ...GOOD, links: "SITE" },
  ],
  [
    "Caddy below a path",
    CADDY,
    TRUSTED,
    caddy("\thandle_path /chat/* {\n\t\treverse_proxy UPSTREAM {\n\t\t\theader_up X-Forwarded-Prefix /chat\n\t\t}\n\t}"),
    { ...GOOD, below: "/chat", links: "SITE/chat" },
  ],
];

/** One request over an agent of its own, from this address: `{status, text}`. */
function ask(start, options, body) {
  const asked = new Promise((done, failed) => {
    const request = start({ agent: false, ...options }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.once("end", () => done({ status: response.statusCode, text }));
    });
    request.once("error", failed).end(body);
  });
  return deadline(asked, () => `an answer to ${options.method ?? "GET"} ${options.path}`);
}

/** What arrives of a request through the proxy, as the server tells its operator. */
async function arrived({ server }, through) {
  const path = `/api/admin/probe/${"x".repeat(24)}`;
  const operator = { socketPath: `${server.data}.sock`, path, headers: { host: "localhost" } };
  await ask(http, { ...operator, method: "PUT" });
  assert.equal((await through(path)).status, 200);
  return JSON.parse((await ask(http, operator)).text).data;
}

/** Whether a stock client on a page of the proxy's gets in by this transport alone. */
async function getsIn({ server, port }, ada, ca, url, below, transport) {
  const options = { auth: { token: ada.token }, ca, path: `${below}/socket.io/`, transports: [transport] };
  const client = new Client(server, url, { ...options, extraHeaders: { origin: `https://localhost:${port}` } });
  return client.connected().then(
    () => true,
    () => false,
  );
}

for (const [name, runs, flags, start, wanted] of CONFIGURATIONS) {
  test(`behind ${runs === CADDY ? "" : "an nginx: "}${name}`, { skip: runs ? false : "it is not installed" }, async (t) => {
    const port = await freePort();
    const site = `https://localhost:${port}`;
    const filled = (text) => text.replace("SITE", site).replace("PORT", port);
    const set = { ...(await stage(t, flags.map(filled))), t, port };
    const { server } = set;
    const below = wanted.below ?? "";
    const url = await start(set);
    const ca = await readFile(set.cert);
    // With a public URL the link begins with that.
    const [, setup] = /[?]setup=([^\s\x1b]+)/.exec(server.run.stderr);
    const admin = await server.user("ada", { invite: setup });
    const headers = { authorization: `Bearer ${admin.token}` };
    const through = (path, options = {}, body) =>
      ask(https, { port, host: "127.0.0.1", servername: "localhost", localAddress: HERE, ca, path: below + path, ...options, headers: { host: `localhost:${port}`, ...headers } }, body);

    assert.equal((await through("/")).status, wanted.page);
    const seen = await arrived(set, through);
    assert.equal(seen.address, wanted.address);
    const made = await through("/api/admin/invites", { method: "POST" });
    assert.equal(made.status, 201, made.text);
    const invite = JSON.parse(made.text).data;
    assert.equal(invite.url, `${filled(wanted.links)}/?invite=${invite.code}`);
    assert.equal(await getsIn(set, admin, ca, url, below, "polling"), wanted.polling, "polling");
    assert.equal(await getsIn(set, admin, ca, url, below, "websocket"), wanted.websocket, "WebSocket");
    await server.stop();
    if (wanted.log) assert.match(server.run.stderr, wanted.log);
    else assert.doesNotMatch(server.run.stderr, / WARN /);
  });
}

test("a certificate that a site made for itself satisfies the doctor by --ca", async (t) => {
  const folder = await freshFolder(t);
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", "/CN=localhost"];
  execFileSync("openssl", [...made, "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], { stdio: "ignore" });
  const port = await freePort();
  const flags = ["--port", port, "--data", join(folder, "chat.redb"), "--ping-interval", "1s", "--tls-cert", cert, "--tls-key", key];
  const run = launch(flags.map(String));
  t.after(() => run.child.kill("SIGKILL"));
  const ready = new Promise((done) => run.child.stderr.on("data", () => run.stderr.includes("?setup=") && done()));
  await deadline(ready, () => `the start: ${run.stderr}`);
  const examine = (...more) => runToEnd(["doctor", `https://localhost:${port}`, "--data", join(folder, "chat.redb"), ...more]);
  const trusted = await examine("--ca", cert);
  assert.equal(trusted.code, 0, trusted.stdout + trusted.stderr);
  assert.match(trusted.stdout, /^ok +TLS: the certificate is good for \d+ days$/m);
  assert.match((await examine()).stdout, /^FAIL +connection and TLS: .*--ca/m);
  run.child.kill("SIGTERM");
  await deadline(run.exited, "the end");
});
