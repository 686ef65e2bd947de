// Other URLs for the files of messages that are here, in place of those that end. sync.js loads it
// where a page is open for long.

/** The server gives the URLs of so many files at once. */
const URLS_MOST = 100

/**
 * @param {import('../state/store.js').Store} store
 * @param {import('./sync.js').Api} api
 */
export async function freshenUrls(store, api) {
  const messages = [...store.chats.values()].flatMap(({ thread }) => thread.messages)
  const all = [...new Set(messages.flatMap(({ state, attachments = [] }) => state === 'stored' ? attachments.map(({ id }) => id) : []))]
  const fresh = new Map()
  while (all.length > 0) {
    const { data } = await api.request('POST', 'api/files/urls', { ids: all.splice(0, URLS_MOST) })
    for (const { id, url, preview } of data) fresh.set(id, { url, ...(preview && { preview }) })
  }
  if (fresh.size === 0) return
  store.apply({
    type: 'files',
    data: (/** @type {import('../state/timeline.js').Attached} */ file) => ({ ...file, ...fresh.get(file.id) }),
  })
}
