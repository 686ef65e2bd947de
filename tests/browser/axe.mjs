// Runs axe-core in a page. The page's content policy lets no script in from outside, so axe goes in
// by the debugger.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/**
 * What axe finds in a view, which must be nothing.
 * @param {import('playwright-core').Page} page
 * @param {string} view
 */
export async function isAccessible(page, view) {
  await page.evaluate(source)
  const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }))
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.target.join(' ')).join(', ')}`)
  assert.deepEqual(found, [], `axe in ${view}`)
}
