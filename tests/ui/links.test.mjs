import { test } from 'node:test'
import assert from 'node:assert/strict'
import { linkIn } from '../../static/js/lib/links.js'

test('a link that does something has its code in the fragment, and a sign-in the place where it leads', () => {
  for (const [hash, expected] of [
    ['#/sign-in/abc', { way: 'sign-in', code: 'abc', place: '#/' }],
    ['#/sign-in/abc/chat/2', { way: 'sign-in', code: 'abc', place: '#/chat/2' }],
    ['#/sign-in/abc/room/7', { way: 'sign-in', code: 'abc', place: '#/room/7' }],
    ['#/sign-in/a%2Fb', { way: 'sign-in', code: 'a/b', place: '#/' }],
    ['#/join/abc', { way: 'join', code: 'abc', place: '#/' }],
    ['#/reset/abc', { way: 'reset', code: 'abc', place: '#/' }],
    ['#/sign-in/%', { way: 'sign-in', code: '%', place: '#/' }],
  ]) assert.deepEqual(linkIn(hash), expected)
})

test('other addresses are none', () => {
  for (const hash of ['', '#/', '#/chat/2', '#/room/7', '#/sign-in', '#sign-in/abc', '#/join', '#/joined/abc']) assert.equal(linkIn(hash).way, undefined, hash)
})
