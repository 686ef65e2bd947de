// What browsers load is the sources, joined: TypeScript's parser finds all statements of a module
// in one of the packed files, token for token and with each token part of the same.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import ts from 'typescript'
import { Server } from './harness.mjs'

const STATIC = new URL('../../static/', import.meta.url)
const paths = readdirSync(new URL('js/', STATIC), { recursive: true }).filter(name => name.endsWith('.js')).map(name => `js/${name}`)

/** A module, in which addresses are alike: they differ by the file in which they stand. */
function parse(path, text) {
  const alike = text
    .replace(/new URL\("[^"]*",import\.meta\.url\)\.href/g, 'import.meta.url')
    .replace(/import\((["'])[^"']*\1\)/g, 'import("")')
  const file = ts.createSourceFile(path, alike, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS)
  assert.deepEqual(file.parseDiagnostics, [], path)
  return file
}

/**
 * The tokens of a statement, each with what it is part of: one that ended elsewhere would show.
 * Exports and what ends a statement or a list are left out.
 */
function tokens(statement, file) {
  const found = []
  const walk = node => {
    if (ts.isJSDoc(node) || node.kind === ts.SyntaxKind.ExportKeyword) return
    const children = node.getChildren(file)
    const text = node.getText(file)
    if (children.length > 0) children.forEach(walk)
    else if (text !== '' && text !== ';') found.push(`${ts.SyntaxKind[node.parent.kind]} ${text}`)
  }
  walk(statement)
  return found.join('\n')
}

test('every module of the sources stands in one file of the packed page, as it is', async t => {
  const server = new Server('', { demo: true })
  await server.start()
  t.after(() => server.end())
  const html = await (await fetch(server.url)).text()
  const [, base] = /src="(v\/[0-9a-f]{16}\/)js\/main\.js"/.exec(html)
  const packed = new Map(), sources = new Map()
  for (const path of paths) {
    const source = readFileSync(new URL(path, STATIC), 'utf8')
    assert.equal(await (await fetch(`${server.url}/${path}`)).text(), source, `${path} by itself is as it stands`)
    sources.set(path, parse(path, source))
    // What was joined to another file has an address of its own as well, for pages of other
    // versions.
    const text = await (await fetch(`${server.url}/${base}${path}`)).text()
    if (text !== source) packed.set(path, parse(path, text))
  }
  assert.ok(packed.has('js/main.js') && packed.size < paths.length, [...packed.keys()].join())
  const whole = [...packed].map(([path, file]) => [path, file.statements.map(statement => tokens(statement, file)).join('\n')])
  let statements = 0
  for (const [path, file] of sources) {
    const wanted = file.statements.filter(statement => !ts.isImportDeclaration(statement)).map(statement => tokens(statement, file))
    const missing = whole.map(([, text]) => wanted.filter(statement => !text.includes(statement)))
    assert.equal(missing.filter(of => of.length === 0).length, 1, `${path} is in one file: ${missing.sort((a, b) => a.length - b.length)[0][0]}`)
    statements += wanted.length
  }
  t.diagnostic(`${statements} statements of ${sources.size} modules in ${packed.size} files`)
})
