// What a picture is before it is sent: how large, and a smaller one of it. Loaded when a file is
// chosen.

/** Those that every browser shows, and the server too. */
const SHOWN = ['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif']
/** A picture of at most so many bytes stands for itself; of others there is a smaller one. */
export const SHOWN_ITSELF = 128 * 1024
/** The longer side of the smaller one, in pixels, and what the server takes, in bytes. */
const SIDE = 640
const MAX_BYTES = 64 * 1024

/**
 * Looks at a file that was chosen.
 * @param {File} file
 * @returns {Promise<{ width?: number, height?: number, preview?: string }>} of a picture what it
 *   measures, and a `data:` URL that shows it; of all else nothing
 */
export async function lookAt(file) {
  if (!SHOWN.includes(file.type)) return {}
  try {
    const image = await createImageBitmap(file)
    const { width, height } = image
    const preview = file.size <= SHOWN_ITSELF ? await asUrl(file) : smaller(image)
    image.close()
    return { width, height, ...(preview && { preview }) }
  } catch {
    // The browser cannot read it; the server may.
    return {}
  }
}

/** @param {ImageBitmap} image @returns {string | undefined} */
function smaller(image) {
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(image.width * scale))
  canvas.height = Math.max(1, Math.round(image.height * scale))
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height)
  for (const [type, quality] of /** @type {const} */ ([['image/webp', 0.8], ['image/jpeg', 0.7], ['image/jpeg', 0.4], ['image/jpeg', 0.2]])) {
    const url = canvas.toDataURL(type, quality)
    // A browser that makes no WebP makes PNG of it. Three bytes are four characters.
    if (url.length * 3 / 4 <= MAX_BYTES) return url
  }
}

/** @param {Blob} blob @returns {Promise<string>} */
const asUrl = blob => new Promise((resolve, reject) => {
  const reader = new FileReader()
  reader.onload = () => resolve(String(reader.result))
  reader.onerror = () => reject(reader.error)
  reader.readAsDataURL(blob)
})
