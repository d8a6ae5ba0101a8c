import { describe, expect, test } from 'vitest'
import { proves } from '../proof/proves.ts'
import { page } from '../proof/page.ts'
import { prove } from '../proof/prove.ts'
import { cells, changes, moments } from '../proof/table.ts'

const claimed = Object.keys(changes).flatMap((change) =>
  Object.keys(moments)
    .filter((moment) => 'claim' in cells[change as 'parent'][moment as 'idle'])
    .map((moment) => `${change}/${moment}`),
)

/** Returns a report like those of vitest's JSON reporter. By default, one test proves each cell. */
function report(statusOf: (cell: string) => string | undefined = () => 'passed'): string[] {
  const assertionResults = claimed.flatMap((cell) => {
    const status = statusOf(cell)
    return status === undefined ? [] : [{ status, meta: { proves: [cell] } }]
  })
  return [JSON.stringify({ testResults: [{ assertionResults }] })]
}

describe('the check that each process change is proved', () => {
  test('accepts a passing test for each cell, on each line of Node', () => {
    expect(prove({ 22: report(), 24: report() })).toEqual([])
  })

  test.each([
    ['fails', 'failed'],
    ['is skipped', 'skipped'],
    ['is missing', undefined],
  ])('rejects a cell whose test %s on one line of Node', (_, status) => {
    const missing = report((cell) => (cell === 'hooked/query' ? status : 'passed'))
    expect(prove({ 22: report(), 24: missing })).toEqual(['hooked/query is not proved on Node 24'])
  })

  test('rejects a cell with a passing and a failing test, also from two runs on one Node', () => {
    const failing = report((cell) => (cell === 'parent/idle' ? 'failed' : undefined))
    expect(prove({ 24: [...report(), ...failing] })).toEqual([
      'parent/idle is not proved on Node 24',
    ])
  })

  test('requires no proof on a line of Node on which the change is impossible', () => {
    const skipped = report((cell) => (cell.startsWith('snapshot/') ? 'skipped' : 'passed'))
    expect(prove({ 20: skipped, 22: report() })).toEqual([])
  })
})

describe('the table of process changes', () => {
  test('links each cell to the tests that prove it', () => {
    const file = 'packages/driver-pg/test/some.test.ts'
    const proofs = claimed.map((cell) => ({ file, title: `shows ${cell}`, proves: [cell] }))
    const made = page(proofs, ['20', '22'], '..')
    expect(made).toContain('[stays idle, same session](#parent-idle)')
    expect(made).toContain('[shows parent/idle](../packages/driver-pg/test/some.test.ts)')
    expect(made).toContain('On Node 22. Node 20 cannot load pg while it builds a snapshot.')
  })

  test('is an error if a cell has no test', () => {
    expect(() => page([], ['22'], '..')).toThrow('No test proves parent/unused')
  })

  test('rejects tests that prove an unknown cell', () => {
    expect(proves({ parent: ['idle', 'lent'] })).toEqual({
      meta: { proves: ['parent/idle', 'parent/lent'] },
    })
    // @ts-expect-error -- an unknown moment
    expect(() => proves({ parent: ['asleep'] })).toThrow('parent/asleep')
  })
})
