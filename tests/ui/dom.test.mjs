import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { initials, paintAvatar, showPicturesOf } from '../../static/js/lib/avatar.js'
import { newId } from '../../static/js/lib/id.js'
import { splitLinks } from '../../static/js/lib/text.js'

describe('splitLinks', () => {
  const links = text => splitLinks(text).filter(({ href }) => href).map(({ href }) => href)

  test('keeps every character, in order', () => {
    for (const text of ['', 'no link', 'http://a.b', 'see http://a.b/c?d=e#f, or https://x.y (http://z).', '<b>http://a.b</b>']) {
      assert.equal(splitLinks(text).map(run => run.text).join(''), text)
    }
  })

  test('leaves the punctuation of the sentence outside', () => {
    assert.deepEqual(links('See https://example.org/a. And (https://example.org/b), https://example.org/c_(d)!'),
      ['https://example.org/a', 'https://example.org/b', 'https://example.org/c_(d)'])
  })

  test('ends an address where a sentence or a quotation ends that no space follows', () => {
    assert.deepEqual(links('见https://example.org/a，谢谢（https://example.org/b）。「https://example.org/c」、https://example.org/d！'),
      ['a', 'b', 'c', 'd'].map(path => `https://example.org/${path}`))
    assert.deepEqual(links('\u201chttps://example.org/a\u201d https://example.org/b\u060c https://example.org/c\u061f https://example.org/d\u2026'),
      ['a', 'b', 'c', 'd'].map(path => `https://example.org/${path}`))
    // In letters of any script it goes on.
    assert.deepEqual(links('https://例え.テスト/日本語?q=ü'), ['https://例え.テスト/日本語?q=ü'])
  })

  test('leaves a bracket outside that closes one of the sentence, and keeps what was opened inside', () => {
    assert.deepEqual(links('(see https://example.org/c_(d)) [https://example.org/e] {https://example.org/f_(g}'),
      ['https://example.org/c_(d)', 'https://example.org/e', 'https://example.org/f_(g'])
    assert.deepEqual(links('https://example.org/a[1] https://example.org/{id} http://[::1] https://example.org/((a))).'),
      ['https://example.org/a[1]', 'https://example.org/{id}', 'http://[::1]', 'https://example.org/((a))'])
  })

  test('ends an address at a sign that is not seen, or by which it would be shown turned round', () => {
    for (const sign of ['\u200b', '\u200e', '\u200f', '\u202a', '\u202e', '\u2066', '\u2069', '\ufeff']) {
      assert.deepEqual(links(`https://example.org/${sign}gpj.exe`), ['https://example.org/'])
    }
    // By it words are joined, in addresses as well.
    assert.deepEqual(links('https://example.org/می\u200cخواهم'), ['https://example.org/می\u200cخواهم'])
  })

  test('makes links of http and https only', () => {
    assert.deepEqual(links('javascript:alert(1) data:text/html,x ftp://a.b file:///etc http:// www.example.org'), [])
  })

  test('ends an address at what could end an attribute or a tag', () => {
    assert.deepEqual(links('http://a.b/"onclick= http://a.b/<script>'), ['http://a.b/', 'http://a.b/'])
  })
})

test('initials are of the first two words, whole characters, never none', () => {
  assert.deepEqual(['budi', 'dewi.anggraini', 'a b c', '😀 x', '...'].map(initials), ['B', 'DA', 'AB', '😀X', '?'])
})

test('an id is a UUID, with and without a secure context', t => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  assert.match(newId(), uuid)
  t.mock.method(crypto, 'randomUUID')
  Object.defineProperty(crypto, 'randomUUID', { value: undefined, configurable: true })
  assert.match(newId(), uuid)
  assert.notEqual(newId(), newId())
})

/**
 * Has what a document offers stand in for it.
 * @returns {string[]} what is requested as a picture from now on
 */
function pictures(t) {
  const requested = []
  const stubs = {
    document: { baseURI: 'https://chat.example.org/' },
    location: { origin: 'https://chat.example.org' },
    Image: class { set src(address) { requested.push(`${this.referrerPolicy} ${address}`) } },
  }
  for (const [name, stub] of Object.entries(stubs)) Object.defineProperty(globalThis, name, { value: stub, configurable: true })
  t.after(() => { for (const name of Object.keys(stubs)) delete globalThis[name] })
  return requested
}
/** Paints somebody, and waits until it is known whether the picture is requested. */
async function painted(avatar, node = { dataset: {} }) {
  paintAvatar(node, { id: 3, username: 'eve', avatar })
  await new Promise(setImmediate)
  return node
}

test('a picture from elsewhere is requested from the origins that the server names, and from no other', async t => {
  const requested = pictures(t)
  showPicturesOf(async () => ['https://pictures.example', 'https://pictures.example:8443'])
  for (const avatar of ['https://pictures.example/a.png', 'https://PICTURES.example:443/b.png', 'https://pictures.example:8443/c']) await painted(avatar)
  assert.deepEqual(requested.splice(0), [
    'no-referrer https://pictures.example/a.png', 'no-referrer https://PICTURES.example:443/b.png', 'no-referrer https://pictures.example:8443/c'])
  for (const avatar of ['http://pictures.example/a.png', 'https://pictures.example.evil/a.png', 'https://evil.example/?https://pictures.example/',
    'https://pictures.example@evil.example/a.png', 'https://eve:secret@pictures.example/a.png', 'https://pictures.example:444/a.png',
    'https://chat.example.org/logout', '//pictures.example/a.png', 'blob:https://pictures.example/a', 'api/server']) {
    assert.equal((await painted(avatar)).textContent, 'E')
  }
  assert.deepEqual(requested, [])
})

test('the origins are asked for once, for the first picture from elsewhere, and again where there was no answer', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const requested = pictures(t)
  let asked = 0
  showPicturesOf(async () => {
    if (++asked === 1) throw new Error('offline')
    return ['https://pictures.example']
  })
  await painted('api/avatars/f0123456789abcdef0123456789abcdef')
  assert.deepEqual([asked, requested.splice(0).length], [0, 1])
  const node = await painted('https://pictures.example/a.png')
  await painted('https://pictures.example/a.png', node)
  assert.deepEqual([asked, requested.length], [1, 0])
  t.mock.timers.tick(10_000)
  await painted('https://pictures.example/a.png', node)
  await painted('https://pictures.example/b.png')
  await painted('https://pictures.example/a.png', node)
  assert.deepEqual([asked, requested.length], [2, 2])
})

test('an avatar is initials: the address that a peer gave as a picture is never requested, on this site neither', async t => {
  const requested = pictures(t)
  showPicturesOf(async () => [])
  for (const avatar of ['/api/server', 'https://chat.example.org/logout', 'https://chat.example.org/socket.io/?EIO=4&transport=polling',
    'https://elsewhere.example/eve.png', '//elsewhere.example/eve.png', 'data:image/png;base64,AA', null]) {
    const node = await painted(avatar)
    assert.deepEqual([node.textContent, node.className], ['E', 'avatar hue-3'])
  }
  assert.deepEqual(requested, [])
})
