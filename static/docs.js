// The search field of /docs: it leaves those events, routes and shapes in which all the words stand
// that are typed, and their names in the contents. Without this script the page is whole, and has
// no field. It is no part of the app, so it stands outside of js/, whose modules are joined.

const nav = document.querySelector('nav')
const articles = [...document.querySelectorAll('main article')]
  .map(node => ({ node, id: node.querySelector('h3').id, text: node.textContent.toLowerCase() }))
const lines = [...nav.querySelectorAll('li')]
  .map(node => ({ node, id: node.querySelector('a').hash.slice(1) }))

const search = document.createElement('search')
const label = document.createElement('label')
const field = document.createElement('input')
const found = document.createElement('output')
field.type = 'search'
field.autocomplete = 'off'
label.append('Search in events and routes', field)
search.append(label, found)
nav.prepend(search)

/** Shows what has all the words of the field; all where there are none. */
function show() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = new Set()
  for (const { node, id, text } of articles) {
    node.hidden = !words.every(word => text.includes(word))
    if (!node.hidden) shown.add(id)
  }
  for (const { node, id } of lines) node.hidden = words.length > 0 && !shown.has(id)
  found.value = words.length > 0 ? `${shown.size} found` : ''
}

field.addEventListener('input', show)
field.addEventListener('keydown', ({ key }) => {
  const first = articles.find(({ node }) => !node.hidden)
  if (key === 'Enter' && first) location.hash = first.id
})

// A link may lead to what the search has hidden.
addEventListener('hashchange', () => {
  const target = document.getElementById(location.hash.slice(1))
  if (!target?.closest('[hidden]')) return
  field.value = ''
  show()
  target.scrollIntoView()
})
