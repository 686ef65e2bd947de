// Work that belongs to the next frame.

/**
 * Many calls before the next frame are one run of the work, in that frame.
 * @param {() => void} work
 * @returns {{ (): void, waits(): boolean }} calls for it; `waits` says whether it was called for
 *   and has not run yet
 */
export function perFrame(work) {
  let waiting = false
  const call = () => {
    if (waiting) return
    waiting = true
    requestAnimationFrame(() => {
      waiting = false
      work()
    })
  }
  return Object.assign(call, { waits: () => waiting })
}
