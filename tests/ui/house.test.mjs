import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'

const JS = new URL('../../static/js/', import.meta.url)

/**
 * The folders, and those that their modules may import besides their own; the modules beside them
 * join all.
 */
const PLAN = {
  lib: [],
  i18n: ['lib'],
  net: ['lib'],
  state: [],
  sync: ['lib', 'net', 'state'],
  elements: ['i18n', 'lib', 'state'],
}

test('no module of a folder imports against the plan', () => {
  const modules = readdirSync(JS, { recursive: true }).filter(name => name.endsWith('.js') && name.includes('/'))
  assert.ok(modules.length > 30)
  for (const name of modules) {
    const source = readFileSync(new URL(name, JS), 'utf8')
    const [folder] = name.split('/')
    assert.ok(folder in PLAN, `${folder} is in no plan`)
    const named = [...source.matchAll(/^import .* from '([^']+)'|\bawait import\('([^']+)'\)/gm)].map(([, path, lazy]) => path ?? lazy)
    for (const path of named) {
      const [from] = new URL(path, new URL(name, JS)).href.slice(JS.href.length).split('/')
      assert.ok(from === folder || PLAN[folder].includes(from), `${name} imports ${path}`)
    }
  }
})
