// Copying for the person.

/**
 * Copies what a field holds. On plain http the browser gives no clipboard; then it is selected, to
 * be copied by hand.
 * @param {HTMLInputElement | HTMLTextAreaElement} field
 * @returns {Promise<boolean>} whether it is copied
 */
export async function copyField(field) {
  field.select()
  try {
    await navigator.clipboard.writeText(field.value)
    return true
  } catch {
    field.focus()
    return false
  }
}

/**
 * Copies a text that stands in no field.
 * @param {string} text
 */
export async function copyText(text) {
  const field = Object.assign(document.createElement('textarea'), { value: text, className: 'visually-hidden' })
  document.body.append(field)
  // The old way works on plain http, too, where the new one is not there.
  if (!await copyField(field)) document.execCommand('copy')
  field.remove()
}
