import { expect, test } from 'vitest'
import type { Entry } from '../src/demo/ledger.ts'
import { sentences } from '../src/demo/sentences.ts'
import { isFlawless, tally } from '../src/demo/tally.ts'

const FLAWLESS: readonly Entry[] = [
  ...Array.from({ length: 1200 }, (_, n) => ({ what: 'right', process: n % 4 }) as const),
  { what: 'found', found: { backendsKept: 6 } },
]

test('a run in which every query had its own answer and the parent kept everything is flawless', () => {
  expect(isFlawless(tally(FLAWLESS))).toBe(true)
  expect(sentences(tally(FLAWLESS))).toEqual([
    'Each of the 1,200 queries had its own answer.',
    'The parent has kept all of its 6 connections.',
    'Its transaction stayed open on its connection, and could be committed.',
    'Its query in flight was answered.',
  ])
})

test('one missing answer, connection or process is a flaw', () => {
  expect(isFlawless(tally(FLAWLESS.slice(1)))).toBe(false)
  expect(isFlawless(tally(FLAWLESS.slice(0, -1)))).toBe(false)
  expect(isFlawless(tally([...FLAWLESS, { what: 'crash', process: 1, message: 'SIGSEGV' }]))).toBe(
    false,
  )
})

test('answers before a crash are counted, and the other queries are unanswered', () => {
  const seen = tally([
    { what: 'right', process: 1 },
    { what: 'wrong', process: 1, owner: 0 },
    { what: 'wrong', process: 1, owner: 1 },
    { what: 'error', process: 1, message: 'rare' },
    { what: 'error', process: 1, message: 'frequent' },
    { what: 'error', process: 1, message: 'frequent' },
    { what: 'crash', process: 1, message: 'unexpected' },
    { what: 'crash', process: 0, message: 'SIGKILL' },
  ])
  expect(seen).toMatchObject({ right: 1, wrong: 2, foreign: 1, errors: 3, unanswered: 1194 })
  const nothing = { right: 0, wrong: 0, errors: 0, unanswered: 300 }
  expect(seen.byProcess).toEqual([
    nothing,
    { right: 1, wrong: 2, errors: 3, unanswered: 294 },
    nothing,
    nothing,
  ])
  expect(sentences(seen)).toEqual([
    "2 queries had another query's answer and no error; 1 of these answers belonged to another process.",
    '3 queries failed, most often with "frequent".',
    '1,194 queries had no answer when the time was up.',
    '1 of 3 children crashed: "unexpected".',
    'An error that nothing caught reached the parent: "SIGKILL".',
    'The parent has kept only 0 of its 6 connections.',
    'Its open transaction is lost: the parent is gone.',
    'Its query in flight was not: the parent is gone.',
  ])
})
