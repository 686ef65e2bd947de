// QR codes (ISO/IEC 18004), as far as a link needs them: bytes, the error correction level M, which
// restores 15 % of a code, and versions 1 to 10, which hold up to 213 bytes.

/** By version from 1: all codewords, those of error correction in each block, and the blocks. */
const SIZES = [
  [26, 10, 1], [44, 16, 1], [70, 26, 1], [100, 18, 2], [134, 24, 2],
  [172, 16, 4], [196, 18, 4], [242, 22, 4], [292, 22, 5], [346, 26, 5],
]
/** By version from 1: where alignment patterns are centred, in both directions, beside 6. */
const ALIGNED = [[], [18], [22], [26], [30], [34], [22, 38], [24, 42], [26, 46], [28, 50]]
/** Which modules each mask turns over. @type {((x: number, y: number) => boolean)[]} */
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  x => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => x * y % 2 + x * y % 3 === 0,
  (x, y) => (x * y % 2 + x * y % 3) % 2 === 0,
  (x, y) => ((x + y) % 2 + x * y % 3) % 2 === 0,
]
/** What looks like the sign in a corner, and so would mislead: in a line, from either end. */
const MISLEADING = [0b10111010000, 0b00001011101]

/**
 * @param {string} text
 * @returns {boolean[][] | null} the code, row by row, true where it is dark; null where the text is
 *   too long
 */
export function qrCode(text) {
  const bytes = [...new TextEncoder().encode(text)]
  const version = 1 + SIZES.findIndex(([all, correcting, blocks], at) =>
    bytes.length + (at < 9 ? 2 : 3) <= all - correcting * blocks)
  if (version === 0) return null
  const bits = codewords(bytes, version).flatMap(word => bitsOf(word, 8))
  const codes = MASKS.map((_, mask) => drawn(version, bits, mask))
  const penalties = codes.map(penalty)
  return codes[penalties.indexOf(Math.min(...penalties))]
}

/** @param {number} value @param {number} count */
const bitsOf = (value, count) => Array.from({ length: count }, (_, at) => value >> count - 1 - at & 1)

// The content.

/** The codewords of a code: the content in blocks, each with its correction, interleaved.
 * @param {number[]} bytes @param {number} version */
function codewords(bytes, version) {
  const [all, correcting, count] = SIZES[version - 1]
  const room = all - correcting * count
  const bits = [...bitsOf(0b0100, 4), ...bitsOf(bytes.length, version < 10 ? 8 : 16), ...bytes.flatMap(byte => bitsOf(byte, 8))]
  bits.push(...Array(Math.min(4, room * 8 - bits.length)).fill(0))
  bits.push(...Array(-bits.length & 7).fill(0))
  const words = Array.from({ length: bits.length / 8 }, (_, at) => parseInt(bits.slice(at * 8, at * 8 + 8).join(''), 2))
  for (let filler = 0xec; words.length < room; filler ^= 0xec ^ 0x11) words.push(filler)
  // The last blocks have one word more, where it does not come out even.
  const short = Math.floor(room / count), longer = count - room % count
  let at = 0
  const blocks = Array.from({ length: count }, (_, block) => words.slice(at, at += short + (block >= longer ? 1 : 0)))
  const corrections = blocks.map(block => correction(block, correcting))
  return [...interleaved(blocks), ...interleaved(corrections)]
}

/**
 * @param {number[][]} blocks
 * @returns {number[]} the first words of all, then the second ones, …
 */
function interleaved(blocks) {
  const length = Math.max(...blocks.map(block => block.length))
  return Array.from({ length }, (_, at) => blocks.flatMap(block => block.slice(at, at + 1))).flat()
}

/**
 * @param {number} a
 * @param {number} b
 * @returns {number} their product in GF(2^8), modulo x^8 + x^4 + x^3 + x^2 + 1
 */
function times(a, b) {
  let product = 0
  for (let bit = 7; bit >= 0; bit--) {
    product = product << 1 ^ (product >> 7) * 0x11d
    product ^= (b >> bit & 1) * a
  }
  return product
}

/** @param {number[]} block @param {number} degree @returns {number[]} its Reed-Solomon remainder */
function correction(block, degree) {
  let divisor = [1], root = 1
  for (let at = 0; at < degree; at++) {
    divisor = [...divisor, 0].map((factor, place) => factor ^ times(divisor[place - 1] ?? 0, root))
    root = times(root, 2)
  }
  let rest = Array(degree).fill(0)
  for (const word of block) {
    const factor = word ^ rest[0]
    rest = [...rest.slice(1), 0].map((known, place) => known ^ times(divisor[place + 1], factor))
  }
  return rest
}

// The picture.

/** @param {number} version @param {number[]} bits @param {number} mask @returns {boolean[][]} */
function drawn(version, bits, mask) {
  const size = 17 + 4 * version
  const dark = Array.from({ length: size }, () => Array(size).fill(false))
  const taken = dark.map(row => row.slice())
  /** @param {number} x @param {number} y @param {boolean | number} on */
  const set = (x, y, on) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return
    dark[y][x] = Boolean(on)
    taken[y][x] = true
  }
  drawPatterns(version, size, set)
  drawFormat(size, mask, set)
  if (version >= 7) drawVersion(version, size, set)
  let at = 0
  // Two columns at a time from the right, upwards and downwards in turn, past the timing pattern.
  for (let right = size - 1, up = true; right > 0; right -= right === 8 ? 3 : 2, up = !up) {
    if (right === 6) right = 5
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step
      for (const x of [right, right - 1]) {
        if (!taken[y][x]) dark[y][x] = Boolean(bits[at++] ?? 0) !== MASKS[mask](x, y)
      }
    }
  }
  return dark
}

/** @typedef {(x: number, y: number, on: boolean | number) => void} Set */

/** The signs in three corners, the timing and the alignment patterns.
 * @param {number} version @param {number} size @param {Set} set */
function drawPatterns(version, size, set) {
  for (let at = 0; at < size; at++) {
    set(at, 6, at % 2 === 0)
    set(6, at, at % 2 === 0)
  }
  const square = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ reach, /** @type {number[]} */ light) => {
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) set(x + dx, y + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))))
    }
  }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) square(x, y, 4, [2, 4])
  const centres = version === 1 ? [] : [6, ...ALIGNED[version - 1]]
  // Not where the signs in the corners are.
  const last = size - 7
  const inCorner = (/** @type {number} */ x, /** @type {number} */ y) => x === 6 && (y === 6 || y === last) || x === last && y === 6
  for (const x of centres) for (const y of centres) if (!inCorner(x, y)) square(x, y, 2, [1])
}

/**
 * Which correction and mask the code has, twice.
 * @param {number} size
 * @param {number} mask
 * @param {Set} set
 */
function drawFormat(size, mask, set) {
  // Level M is 00.
  const bits = (mask << 10 | remainder(mask, 10, 0x537)) ^ 0x5412
  for (let at = 0; at < 15; at++) {
    const on = bits >> at & 1
    if (at < 6) set(8, at, on)
    else if (at < 8) set(8, at + 1, on)
    else set(at === 8 ? 7 : 14 - at, 8, on)
    if (at < 8) set(size - 1 - at, 8, on)
    else set(8, size - 15 + at, on)
  }
  set(8, size - 8, true)
}

/** Which version it is, twice. @param {number} version @param {number} size @param {Set} set */
function drawVersion(version, size, set) {
  const bits = version << 12 | remainder(version, 12, 0x1f25)
  for (let at = 0; at < 18; at++) {
    const far = size - 11 + at % 3, near = Math.floor(at / 3)
    set(far, near, bits >> at & 1)
    set(near, far, bits >> at & 1)
  }
}

/**
 * @param {number} value
 * @param {number} degree
 * @param {number} divisor
 * @returns {number} of `value` times x to that degree
 */
function remainder(value, degree, divisor) {
  let rest = value
  for (let at = 0; at < degree; at++) rest = rest << 1 ^ (rest >> degree - 1) * divisor
  return rest
}

/** How much there is in a code that disturbs who reads it. @param {boolean[][]} code */
function penalty(code) {
  const size = code.length
  const lines = [...code, ...code.map((_, x) => code.map(row => row[x]))]
  let sum = 0
  for (const line of lines) {
    let run = 0, window = 0
    for (const [at, on] of line.entries()) {
      run = at > 0 && on === line[at - 1] ? run + 1 : 1
      if (run === 5) sum += 3
      else if (run > 5) sum++
      window = (window << 1 | Number(on)) & 0x7ff
      if (at >= 10 && MISLEADING.includes(window)) sum += 40
    }
  }
  for (let y = 1; y < size; y++) {
    for (let x = 1; x < size; x++) {
      const on = code[y][x]
      if (on === code[y][x - 1] && on === code[y - 1][x] && on === code[y - 1][x - 1]) sum += 3
    }
  }
  const share = code.flat().filter(Boolean).length * 100 / (size * size)
  return sum + 10 * Math.floor(Math.abs(share - 50) / 5)
}
