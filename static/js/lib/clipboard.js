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
