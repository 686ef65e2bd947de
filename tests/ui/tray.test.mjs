import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { setLanguage } from '../../static/js/i18n/words.js'

/** As much of an element as the tray asks of its chips, and of itself. */
class Element extends EventTarget {
  children = []
  value = ''
  parts = {}
  replaceChildren(...children) { this.children = children }
  setAttribute() {}
  querySelector(named) { return this.parts[named] ??= new Element() }
}
class Template { content = {} }
const STUBS = {
  HTMLElement: Element,
  HTMLTemplateElement: Template,
  customElements: { define() {} },
  document: { getElementById: () => new Template(), importNode: () => ({ firstElementChild: new Element() }) },
}
for (const [name, stub] of Object.entries(STUBS)) Object.defineProperty(globalThis, name, { value: stub, configurable: true })
after(() => { for (const name of Object.keys(STUBS)) delete globalThis[name] })

const { FileTray } = await import('../../static/js/elements/file-tray.js')

const files = (count, from = 0) => Array.from({ length: count }, (_, at) => new File(['x'], `${from + at}.txt`, { type: 'text/plain' }))
const names = tray => tray.children.map(chip => chip.querySelector('[data-part="name"]').textContent)

test('of more than ten files the tray says how many it left out', async () => {
  await setLanguage('en')
  const tray = new FileTray()
  tray.show('u2')
  tray.add(files(9))
  assert.equal(tray.leftOut, 0)
  tray.add(files(4, 9))
  assert.equal(tray.leftOut, 3)
  assert.deepEqual(names(tray), files(10).map(({ name }) => name))
  tray.add(files(1, 20))
  assert.equal(tray.leftOut, 1)

  // One that is taken away makes room, and what was said is of the past.
  tray.children[0].querySelector('[data-part="leave"]').dispatchEvent(new Event('click'))
  assert.equal(tray.leftOut, 0)
  tray.add(files(1, 20))
  assert.deepEqual([tray.leftOut, names(tray).at(-1)], [0, '20.txt'])

  // Of another chat nothing is said.
  tray.add(files(2, 30))
  assert.equal(tray.leftOut, 2)
  tray.show('u3')
  assert.equal(tray.leftOut, 0)
  tray.add(files(12))
  assert.equal(tray.leftOut, 2)
  const { files: taken } = await tray.take()
  assert.deepEqual([taken.length, tray.leftOut], [10, 0])
})

test('that files were left out is said in the words of the reader', async () => {
  await setLanguage('en')
  const tray = new FileTray()
  tray.show('u2')
  assert.equal(tray.note, '')
  tray.add(files(13))
  assert.equal(tray.note, 'A message holds 10 files. Left out: 3')
  await setLanguage('id')
  assert.match(tray.note, /10 berkas\. Tidak disertakan: 3$/)
  await setLanguage('en')
})
