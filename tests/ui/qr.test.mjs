import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { qrCode } from '../../static/js/lib/qr.js'

const link = length => `https://chat.example.org/?invite=${'abcdefgh'.repeat(30)}`.slice(0, length)

test('codes of every layout are, module by module, as an independent encoder makes them', () => {
  // SHA-256 of the rows as ones and zeros: what the npm package `qrcode` 1.5 makes of these links
  // at level M.
  for (const [length, size, hash] of [
    [14, 21, 'ed38044499eefb348f64d87ebabac8fa'],
    [62, 33, 'c17e7bb2ba6b568255561dabf685bd4f'],
    [100, 41, '2008464287c2685ce30dcffe1ceedfb6'],
    [122, 45, '207e3aab39715c5b8c8ea13513194a7b'],
    [200, 57, 'facf56562f5401ff6e687023d28b9dcf'],
  ]) {
    const code = qrCode(link(length))
    assert.equal(code.length, size)
    const rows = code.map(row => row.map(Number).join('')).join('\n')
    assert.equal(createHash('sha256').update(rows).digest('hex').slice(0, 32), hash, `${length} bytes`)
  }
})

test('a text takes the smallest code that holds it, and one that is too long has none', () => {
  assert.deepEqual([14, 15, 213].map(length => qrCode(link(length)).length), [21, 25, 57])
  assert.equal(qrCode(link(214)), null)
  assert.equal(qrCode('é'.repeat(107)), null, 'bytes count, not characters')
})
