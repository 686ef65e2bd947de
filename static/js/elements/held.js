// A long press on a message, by which its menu opens where there is no mouse.

/** So long a finger has to rest. */
const HELD_MS = 450
/** Within so many pixels it rests; farther, it scrolls. */
const REST_PX = 10

/**
 * Tells of each message on which a finger rests.
 * @param {HTMLElement} rows
 * @param {(node: HTMLElement) => void} held
 */
export function whenHeld(rows, held) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  let x = 0, y = 0
  let wasHeld = false
  const end = () => {
    clearTimeout(timer)
    timer = undefined
  }
  rows.addEventListener('pointerdown', event => {
    end()
    wasHeld = false
    const target = event.target instanceof Element ? event.target : null
    const node = target?.closest('.message')
    if (event.pointerType === 'mouse' || !(node instanceof HTMLElement) || target?.closest('a, button')) return
    x = event.clientX
    y = event.clientY
    timer = setTimeout(() => {
      end()
      wasHeld = true
      held(node)
    }, HELD_MS)
  })
  rows.addEventListener('pointermove', event => {
    if (Math.hypot(event.clientX - x, event.clientY - y) > REST_PX) end()
  })
  for (const type of ['pointerup', 'pointercancel']) rows.addEventListener(type, end)
  // The click that would follow would be one beside the menu.
  rows.addEventListener('touchend', event => { if (wasHeld && event.cancelable) event.preventDefault() })
  // By touch the browser's own menu, which selects text, would lie above ours; a link has its own.
  rows.addEventListener('contextmenu', event => {
    const onLink = event.target instanceof Element && event.target.closest('a')
    if (/** @type {PointerEvent} */ (event).pointerType === 'touch' && !onLink) event.preventDefault()
  })
}
