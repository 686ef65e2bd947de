// A field in which a picture is chosen.

/**
 * Calls back with each picture that is chosen; the same one may be chosen again.
 * @param {HTMLElement} field
 * @param {(file: File) => void} chosen
 */
export function onPicture(field, chosen) {
  const input = /** @type {HTMLInputElement} */ (field)
  input.addEventListener('change', () => {
    const [file] = input.files ?? []
    if (file) chosen(file)
    input.value = ''
  })
}
