// Lists whose children are kept as long as what they stand for.

/**
 * Makes `parent`'s children stand for `items`, in order. A child with a known key is kept, so
 * focus, selection and scroll anchors survive; it is moved only when it is not already in place.
 * @template Item
 * @param {HTMLElement} parent
 * @param {Item[]} items
 * @param {{ key: (item: Item) => string, create: (item: Item) => HTMLElement,
 *   update: (node: HTMLElement, item: Item) => void }} how
 */
export function keyed(parent, items, { key, create, update }) {
  /** @type {Map<string, HTMLElement>} */
  const known = new Map()
  for (const child of parent.children) {
    if (child instanceof HTMLElement) known.set(child.dataset.key ?? '', child)
  }
  const wanted = new Set(items.map(key))
  // Children that go are taken out first: otherwise every later one would count as out of place.
  for (const [name, child] of known) if (!wanted.has(name)) child.remove()
  let place = parent.firstElementChild
  for (const item of items) {
    const name = key(item)
    const node = known.get(name) ?? create(item)
    node.dataset.key = name
    update(node, item)
    if (node === place) place = place.nextElementSibling
    else parent.insertBefore(node, place)
  }
}
