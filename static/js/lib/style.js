// Style sheets and templates that a first view does not need.

/** The files of templates that were asked for. @type {Map<string, Promise<void>>} */
const loaded = new Map()

/**
 * Makes the templates of a file known to `clone`, once.
 * @param {string} name of a file in templates/
 * @returns {Promise<void>} which fails where it cannot be had; the next call tries again
 */
export function loadTemplates(name) {
  let loading = loaded.get(name)
  if (!loading) {
    loading = templatesOf(name).then(found => document.body.append(...found))
    loading.catch(() => loaded.delete(name))
    loaded.set(name, loading)
  }
  return loading
}

/** As of a module that could not be loaded. @param {string} name */
const notLoaded = name => new TypeError(`no module: ${name} could not be loaded`)

/** @param {string} name @returns {Promise<HTMLTemplateElement[]>} */
function templatesOf(name) {
  // It gives a document, whose markup no policy of this page needs to trust: nothing in it runs.
  const asked = new XMLHttpRequest()
  asked.open('GET', new URL(`../../templates/${name}`, import.meta.url))
  asked.responseType = 'document'
  return new Promise((resolve, reject) => {
    asked.onerror = () => reject(notLoaded(name))
    asked.onload = () => {
      const found = asked.status === 200 ? [...(asked.response?.querySelectorAll('template') ?? [])] : []
      if (found.length > 0) resolve(found.map(template => document.importNode(template, true)))
      else reject(notLoaded(name))
    }
    asked.send()
  })
}

/**
 * @param {string} name of a style sheet in css/
 * @returns {Promise<unknown>} when it applies, or cannot be had
 */
export function loadStyle(name) {
  // Reckoned from this file, which like the style sheets stands below the page's version.
  const { href } = new URL(`../../css/${name}`, import.meta.url)
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href })
  const settled = new Promise(resolve => { link.onload = link.onerror = resolve })
  document.head.append(link)
  return settled
}
