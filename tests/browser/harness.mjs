// Starts the server's executable, people on it, and their browsers. Everything here waits on an
// event or on what the page shows; the deadline only ends a test that has failed already.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as ask } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { Documents } from '../clients/documented.mjs'
import { Heard } from './heard.mjs'

/** The executable under test: `CHATD`, else the release build of this repository. */
export const CHATD = process.env.CHATD
  ? resolve(process.env.CHATD)
  : fileURLToPath(new URL('../../target/release/chatd', import.meta.url))
/**
 * Thousands of messages in a moment are what the limits are against; a server without limits has no
 * such flag.
 */
const UNLIMITED = spawnSync(CHATD, ['--help'], { encoding: 'utf8' }).stdout?.includes('--rate-limit') ? ['--rate-limit', 'off'] : []
/**
 * Where strangers register, people are found by their whole names alone; an executable without
 * blocks has no such flag.
 */
const EVERYONE = spawnSync(CHATD, ['--help'], { encoding: 'utf8' }).stdout?.includes('--directory') ? ['--directory', 'everyone'] : []
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const DEADLINE_MS = 20_000

export const PASSWORD = 'correct horse battery'
/**
 * A name by which the server is reached as from another machine: over plain http the browser trusts
 * it less.
 */
export const ELSEWHERE = 'chat.test'
export const PHONE = { width: 390, height: 780 }
export const DESK = { width: 1280, height: 800 }

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {string | (() => string)} what
 * @returns {Promise<T>}
 */
export function deadline(promise, what) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${typeof what === 'string' ? what : what()}`)), DEADLINE_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/**
 * What the executable documents: what is heard of any server here is held against it.
 * @type {Promise<Documents> | undefined}
 */
let documented

/** One server process, and the next ones on the same data and port. */
export class Server {
  port = 0
  constructor(data, { registration = 'open', limited = false, demo = false, flags = [] } = {}) {
    const kept = demo ? ['--demo'] : ['--data', data]
    this.flags = [...kept, '--registration', registration, ...EVERYONE, ...limited ? [] : UNLIMITED, ...flags]
  }

  async start() {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHATD_')))
    const flags = ['--port', String(this.port), ...this.flags]
    const child = spawn(CHATD, flags, { cwd: tmpdir(), env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.child = child
    this.log = ''
    this.exited = new Promise(done => child.once('close', (code, signal) => done({ code, signal })))
    const ready = new Promise((done, failed) => {
      child.once('error', failed)
      child.once('close', () => failed(new Error(`the server did not start: ${this.log}`)))
      child.stderr.setEncoding('utf8').on('data', text => {
        this.log += text
        const link = /(http:\/\/127\.0\.0\.1:(\d+))\/(?:\?setup=([^\s\x1b]+))?.*\n/.exec(this.log)
        if (link) done(link)
      })
    })
    const [, url, port, setup] = await deadline(ready, 'the server')
    Object.assign(this, { url, port: Number(port), setup })
    this.documents ??= await (documented ??= Documents.of(url))
  }

  async kill() {
    this.child.kill('SIGKILL')
    await deadline(this.exited, 'the server’s death')
  }

  async end() {
    this.child?.kill('SIGTERM')
    if (this.child) await deadline(this.exited, 'the server’s end').finally(() => this.child.kill('SIGKILL'))
    assert.doesNotMatch(this.log ?? '', /panicked| ERROR /)
  }

  async request(method, path, { token, body } = {}) {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(token && { authorization: `Bearer ${token}` }), 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    })
    const answer = { status: response.status, headers: response.headers, body: await response.json().catch(() => undefined) }
    this.documents.reply(method, path, answer)
    return answer
  }

  async user(username, extra = {}) {
    const { status, body } = await this.request('POST', '/api/auth/register', { body: { username, password: PASSWORD, ...extra } })
    assert.equal(status, 201, JSON.stringify(body))
    return new Person(this, body.data)
  }

  async login(username) {
    const { status, body } = await this.request('POST', '/api/auth/login', { body: { username, password: PASSWORD } })
    assert.equal(status, 200, JSON.stringify(body))
    return new Person(this, body.data)
  }
}

/** Somebody with an account, who can write without a browser. */
export class Person {
  constructor(server, session) {
    this.server = server
    this.session = session
    this.id = session.user.id
    this.name = session.user.username
  }

  /** The other's history with this person, newest page. */
  async history(peer, limit = 500) {
    const { body } = await this.server.request('GET', `/api/chats/history/${peer.id}?limit=${limit}`, { token: this.session.token })
    return body.data
  }

  /** A new room of this person's, with these people in it. */
  async room(name, ...people) {
    const body = { name, member_ids: people.map(({ id }) => id) }
    const { status, body: answer } = await this.server.request('POST', '/api/rooms', { token: this.session.token, body })
    assert.equal(status, 201, JSON.stringify(answer))
    return answer.data
  }

  /** Says texts in a room, in order, and waits until each is stored. */
  async say(room, ...texts) {
    for (const content of texts) await this.send({ room_id: room.id, content })
  }

  /** Sends one message as it stands, by a socket of version 2, and waits until it is stored. */
  send(message) {
    return this.emit('send_message', message)
  }

  /** Says one event by a socket of version 2, which must go well; gives what its ack brings. */
  async emit(event, payload) {
    const url = sid => `${this.server.url}/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`
    const post = body => fetch(url(sid), { method: 'POST', body })
    const { sid } = JSON.parse((await (await fetch(url())).text()).slice(1))
    await post(`40${JSON.stringify({ token: this.session.token, v: 2 })}`)
    await post(`420${JSON.stringify([event, payload])}`)
    for (;;) {
      const packets = (await (await fetch(url(sid))).text()).split('\x1e')
      const ack = packets.find(packet => packet.startsWith('430'))
      if (packets.includes('2')) await post('3')
      if (!ack) continue
      const [answer] = JSON.parse(ack.slice(3))
      assert.ok(answer.success, ack)
      await post('1')
      return answer.data
    }
  }

  /**
   * Sends texts, in order, and waits until all are stored. Bare long-polling, so that thousands
   * take seconds.
   */
  async write(peer, ...texts) {
    for (let at = 0; at < texts.length; at += 5_000) await this.#write(peer, texts.slice(at, at + 5_000))
  }

  /** @param {Person} peer @param {string[]} texts in one session */
  async #write(peer, texts) {
    const url = sid => `${this.server.url}/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`
    const post = async body => {
      const response = await fetch(url(sid), { method: 'POST', body })
      assert.equal(`${response.status} ${await response.text()}`, '200 ok')
    }
    const { sid } = JSON.parse((await (await fetch(url())).text()).slice(1))
    await post(`40${JSON.stringify({ token: this.session.token })}`)
    let stored = 0, welcomed, progressed = () => {}
    const welcome = new Promise(done => { welcomed = done })
    const reading = (async () => {
      for (;;) {
        for (const packet of (await (await fetch(url(sid))).text()).split('\x1e')) {
          if (packet === '2') await post('3')
          if (packet.startsWith('40')) welcomed()
          if (packet.startsWith('44') || packet.startsWith('42["chat_error"')) throw new Error(packet)
          if (packet.startsWith('42["message_sent"') && ++stored === texts.length) return
        }
        progressed()
      }
    })()
    await Promise.race([welcome, reading])
    const packets = texts.map(content => `42${JSON.stringify(['send_message', { receiver_id: peer.id, content }])}`)
    // Not far ahead of the answers: who lets too much pile up is put out.
    for (let at = 0; at < packets.length; at += 100) {
      while (at > stored) await Promise.race([new Promise(done => { progressed = done }), reading])
      await post(packets.slice(at, at + 100).join('\x1e'))
    }
    await reading
    await post('1')
  }
}

const CHROME = {
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1`],
}
/** @type {Promise<import('playwright-core').Browser> | undefined} */
let launched
export const browser = () => launched ??= launch(3)

/**
 * Where it crashes before it has opened anything, once in some thousand starts, it is started
 * again.
 * @param {number} tries
 */
async function launch(tries) {
  for (;;) {
    try {
      return await chromium.launch(CHROME)
    } catch (error) {
      if (--tries === 0 || !/SIGSEGV|SIGTRAP|SIGABRT/.test(String(error))) throw error
    }
  }
}
after(async () => (await launched)?.close())

/**
 * A reverse proxy that has a server's page below a path, which it takes away.
 * @param {Server} server
 * @param {string} path with its slashes
 * @param {import('node:test').TestContext} t with which it ends
 * @returns {Promise<string>} the address of the page
 */
export async function proxied(server, path, t) {
  const proxy = createServer((request, response) => {
    if (!request.url.startsWith(path)) return void response.writeHead(404).end()
    const { method, headers } = request
    const asked = ask({ host: '127.0.0.1', port: server.port, path: request.url.slice(path.length - 1), method, headers }, answer => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    asked.on('error', () => response.destroy())
    request.pipe(asked)
  })
  proxy.on('upgrade', (request, socket) => {
    const through = connect(server.port, '127.0.0.1')
    const head = [`GET ${request.url.slice(path.length - 1)} HTTP/1.1`]
    for (let at = 0; at < request.rawHeaders.length; at += 2) head.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`)
    through.write(`${head.join('\r\n')}\r\n\r\n`)
    through.pipe(socket).pipe(through)
    for (const end of [through, socket]) end.on('error', () => { through.destroy(); socket.destroy() })
  })
  await new Promise(done => proxy.listen(0, '127.0.0.1', done))
  t.after(() => proxy.closeAllConnections() ?? proxy.close())
  return `http://127.0.0.1:${proxy.address().port}${path}`
}

/**
 * Has a page from its next start on, and its worker at once, do nothing that waits for a second or
 * longer: what is shown then came by what happened, and not by patience.
 * @param {import('playwright-core').Page} page
 * @returns {Promise<() => Promise<void>>} lets all that wait as it was to
 */
export async function withoutPatience(page) {
  const hold = () => {
    const { setTimeout: begin, clearTimeout: end } = globalThis
    const held = new Map()
    let last = 0
    globalThis.setTimeout = (work, ms = 0, ...more) => {
      if (ms < 1_000) return begin(work, ms, ...more)
      held.set(--last, [work, ms, ...more])
      return last
    }
    globalThis.clearTimeout = id => { if (!held.delete(id)) end(id) }
    globalThis.wait = () => {
      Object.assign(globalThis, { setTimeout: begin, clearTimeout: end })
      for (const timer of held.values()) begin(...timer)
    }
  }
  await page.addInitScript(hold)
  for (const worker of page.context().serviceWorkers()) await worker.evaluate(hold)
  return () => page.evaluate(() => window.wait())
}

/** A test with a server of its own and the means to open pages on it. */
export function scene(name, options, body = options) {
  test(name, async t => {
    const folder = await mkdtemp(join(tmpdir(), 'chatd-page-'))
    const server = new Server(join(folder, 'chat.redb'), typeof options === 'function' ? {} : options)
    const stage = new Stage(server)
    t.after(async () => {
      // A server that outlived a failure would keep this process from its end.
      await stage.close().finally(() => server.end())
      t.diagnostic(`held against the documents: ${stage.heard}`)
      await rm(folder, { recursive: true, force: true })
    })
    await server.start()
    await body(stage, t)
  })
}

/**
 * A server and the browsers on it. What a page says on its console as an error fails the test, and
 * so does what a page says to the server or hears of it and is not documented.
 */
export class Stage {
  contexts = []
  heard = new Heard()
  errors = []
  /** What a page may say: the browser itself reports refused requests and lost connections. */
  allowed = /Failed to load resource|WebSocket connection to/

  constructor(server) {
    this.server = server
  }

  people(...names) {
    return Promise.all(names.map(name => this.server.user(name)))
  }

  /**
   * A page of a browser of its own; with a person, who is signed in already. What answers in place
   * of the server, a service worker, is there only where a test asks for it:
   * `{ serviceWorkers: 'allow' }`.
   * @param {Person | null} person
   */
  async open(person, { path = '/', size = DESK, theme = 'light', locale = 'en-GB', url = this.server.url, ...more } = {}) {
    const storage = person && [{ name: 'chatd.session', value: JSON.stringify({ token: person.session.token, user: person.session.user }) }]
    const context = await (await browser()).newContext({
      viewport: size, colorScheme: theme, locale, reducedMotion: 'reduce', serviceWorkers: 'block',
      ...(storage && { storageState: { cookies: [], origins: [{ origin: this.server.url, localStorage: storage }] } }),
      ...more,
    })
    const page = await this.#begin(context)
    await page.goto(url + path)
    return page
  }

  /**
   * An empty page of a browser with a profile on the disk, as people have it: in one without,
   * nothing can be installed.
   * @param {string} folder of the profile
   */
  async profile(folder, { size = DESK, theme = 'light', locale = 'en-GB' } = {}) {
    return this.#begin(await chromium.launchPersistentContext(folder, {
      ...CHROME, viewport: size, colorScheme: theme, locale, reducedMotion: 'reduce',
    }))
  }

  /**
   * A page of a browser, which is heard from now on.
   * @param {import('playwright-core').BrowserContext} context
   */
  async #begin(context) {
    context.setDefaultTimeout(DEADLINE_MS / 2)
    this.contexts.push(context)
    this.heard.listen(context, this.server.documents)
    const page = await context.newPage()
    // Without lines of ours, as where a module cannot be loaded, there is no stack.
    page.on('pageerror', error => this.errors.push(error.stack || error.message))
    page.on('console', message => {
      if (message.type() === 'error' && !this.allowed.test(message.text())) this.errors.push(message.text())
    })
    return page
  }

  async close() {
    // Bodies can be read as long as their page is there.
    await deadline(this.heard.settled(), () => `the bodies of answers: ${this.heard.awaited}`)
    await Promise.all(this.contexts.map(context => context.close()))
    await this.heard.settled()
    assert.deepEqual(this.errors, [], 'the page reported errors')
    const faults = this.heard.takeFaults()
    assert.ok(faults.length === 0, `not as documented:\n${faults.join('\n')}`)
  }
}

// What is in a conversation, for tests of several files.

export const bubbles = page => page.locator('.message')
export const bubble = (page, text) => page.locator('.message').filter({ hasText: text })
export const composer = page => page.locator('.composer textarea')
export const row = (page, name) => page.locator('.chat-row').filter({ hasText: name })

export async function say(page, text) {
  await composer(page).fill(text)
  await composer(page).press('Enter')
}

/** Waits until the newest bubble of that text has a look: pending, stored, read, failed. */
export const state = (page, text, look) => page.locator(`.message[data-state="${look}"]`).filter({ hasText: text }).waitFor()
