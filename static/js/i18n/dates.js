// Dates as the chosen language writes them. All take a Date; `now` is an argument so that tests
// need no clock.

import { currentLocale, languages, t } from './words.js'

const DAY_MS = 86_400_000

/**
 * Making a format costs far more than using it, and every bubble uses two.
 * @type {Map<string, Intl.DateTimeFormat>}
 */
const formats = new Map()
languages.addEventListener('change', () => formats.clear())

/** @param {Date} date @param {Intl.DateTimeFormatOptions} options */
function format(date, options) {
  const key = JSON.stringify(options)
  const known = formats.get(key) ?? new Intl.DateTimeFormat(currentLocale(), options)
  formats.set(key, known)
  return known.format(date)
}

/** @param {Date} date e.g. 14:05, or 14.05 in Indonesian */
export const clockTime = date => format(date, { hour: 'numeric', minute: '2-digit' })

/** @param {Date} date a day, as short as it stays clear */
export const shortDate = date => format(date, { dateStyle: 'medium' })

/** @param {Date} date the date and time in full, for a tooltip */
export const fullTime = date => format(date, { dateStyle: 'full', timeStyle: 'short' })

/**
 * @param {Date} date
 * @param {Date} now
 * @returns {number} calendar days between them, not 24-hour spans
 */
function daysAgo(date, now) {
  const midnight = (/** @type {Date} */ day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate())
  return (midnight(now) - midnight(date)) / DAY_MS
}

/** @param {Date} date @param {Date} now what a day chip says */
export function dayName(date, now) {
  const days = daysAgo(date, now)
  if (days === 0) return t('today')
  if (days === 1) return t('yesterday')
  if (days > 1 && days < 7) return format(date, { weekday: 'long' })
  return format(date, { day: 'numeric', month: 'long', year: 'numeric' })
}

/** @param {Date} date @param {Date} now the short time in a list: minutes, clock time, day, date */
export function shortTime(date, now) {
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000)
  if (minutes < 1) return t('justNow')
  if (minutes < 60) return new Intl.RelativeTimeFormat(currentLocale(), { style: 'narrow' }).format(-minutes, 'minute')
  const days = daysAgo(date, now)
  if (days === 0) return clockTime(date)
  if (days === 1) return t('yesterday')
  if (days < 7) return format(date, { weekday: 'short' })
  return format(date, { day: 'numeric', month: 'numeric', year: '2-digit' })
}

/** @param {Date} date @param {Date} now a moment inside a sentence, for "last seen …" */
export function longTime(date, now) {
  const relative = new Intl.RelativeTimeFormat(currentLocale(), { numeric: 'auto' })
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000)
  if (minutes < 60) return relative.format(-Math.max(minutes, 1), 'minute')
  if (minutes < 12 * 60) return relative.format(-Math.floor(minutes / 60), 'hour')
  const days = daysAgo(date, now)
  if (days < 30) return relative.format(-days, 'day')
  return format(date, { dateStyle: 'long' })
}
