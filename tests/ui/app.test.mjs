import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { catalogues } from '../../static/js/i18n/push-words.js'

globalThis.document ??= /** @type {any} */ ({ baseURI: 'https://example.org/chat/' })
const { withoutFiles } = await import('../../static/js/installed.js')
const { idOf } = await import('../../static/js/push.js')

test('the words of notifications are there in both languages', () => {
  const { en, id } = catalogues
  assert.deepEqual(Object.keys(id).sort(), Object.keys(en).sort())
  for (const [key, text] of Object.entries(id)) {
    assert.notEqual(text.trim(), '')
    assert.equal(text.includes('{status}'), en[key].includes('{status}'), key)
  }
})

test('what is kept of a message opens no file', () => {
  const attachment = { id: 'f1', name: 'a.jpg', url: 'api/files/f1/a.jpg?k=secret', preview: 'api/files/f1/a.jpg/preview?k=secret' }
  const message = { id: 5, content: 'a.jpg', attachments: [attachment] }
  for (const row of [message, { kind: 'direct', last_message: message }]) {
    assert.ok(!JSON.stringify(withoutFiles(row)).includes('secret'))
    assert.ok(JSON.stringify(row).includes('secret'), 'what is shown stays as it is')
  }
  assert.deepEqual(withoutFiles({ kind: 'room', last_message: null }), { kind: 'room', last_message: null })
})

test('the id of a subscription is the SHA-256 of its endpoint in base64url', async () => {
  assert.equal(await idOf('https://push.example.net/a'), '878mD6cVcBjwUPhaBkb7rIYcrAqAZHQEAXOzVswbI7s')
})

test('the manifest needs no place but its own', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../static/manifest.webmanifest', import.meta.url), 'utf8'))
  for (const address of [manifest.start_url, manifest.scope, manifest.id, ...manifest.icons.map(({ src }) => src)]) {
    assert.equal(new URL(address, 'https://example.org/chat/').href.indexOf('https://example.org/chat/'), 0, address)
  }
  assert.ok(manifest.icons.some(({ purpose, sizes }) => purpose === 'maskable' && sizes === '512x512'))
})
