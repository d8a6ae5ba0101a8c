import { describe, expect, test } from 'vitest'
import { proves } from '../proof.mjs'
import { prove } from '../proof/page.mjs'
import { cells, changes, moments } from '../proof/table.mjs'

const page = [
  'Before.\n',
  '<!-- proof: made by `npm test`, not by hand -->\n<!-- prettier-ignore-start -->\n',
  'What an older run showed.\n',
  '<!-- prettier-ignore-end -->\n<!-- end of proof -->\n',
  'After.\n',
].join('')

const claimed = Object.keys(changes).flatMap((change) =>
  Object.keys(moments)
    .filter((moment) => 'claim' in cells[change as 'parent'][moment as 'idle'])
    .map((moment) => `${change}/${moment}`),
)

/** As vitest's JSON reporter writes it: one test that proves each cell, unless told otherwise. */
function report(statusOf: (cell: string) => string | undefined = () => 'passed'): string {
  const assertionResults = claimed.flatMap((cell) => {
    const status = statusOf(cell)
    return status === undefined
      ? []
      : [{ fullName: `shows ${cell}`, status, meta: { proves: [cell] } }]
  })
  const name = new URL('../../packages/driver-pg/test/some.test.ts', import.meta.url).pathname
  return JSON.stringify({ testResults: [{ name, assertionResults }] })
}

describe('the table of process changes', () => {
  test('claims a cell that a passing test proves, with a link to the test, and keeps the rest of the page', () => {
    const made = prove(page, { 22: report(), 24: report() })
    expect(made.problems).toEqual([])
    expect(made.page).toContain('[stays idle, same session](#parent-idle)')
    expect(made.page).toContain('[shows parent/idle](../packages/driver-pg/test/some.test.ts)')
    expect(made.page).toMatch(/^Before\.\n[^]*After\.\n$/)
    expect(made.page).not.toContain('older run')
    expect(prove(made.page, { 22: report(), 24: report() })).toEqual(made)
  })

  test.each([
    ['fails', 'failed'],
    ['is skipped', 'skipped'],
    ['is not there', undefined],
  ])('claims nothing where the test %s on one line of Node', (_, status) => {
    const missing = report((cell) => (cell === 'hooked/query' ? status : 'passed'))
    const made = prove(page, { 22: report(), 24: missing })
    expect(made.problems).toEqual(['hooked/query is not proved on Node 24'])
    expect(made.page).toContain('**not proved**')
  })

  test('asks for no proof where a line of Node cannot have the change, and says why', () => {
    const made = prove(page, {
      20: report((cell) => (cell.startsWith('snapshot/') ? 'skipped' : 'passed')),
      22: report(),
    })
    expect(made.problems).toEqual([])
    expect(made.page).toContain('On Node 22. Node 20 cannot load pg while it builds a snapshot.')
  })

  test('knows its cells: a test can prove no other', () => {
    expect(proves({ parent: ['idle', 'lent'] })).toEqual({
      meta: { proves: ['parent/idle', 'parent/lent'] },
    })
    // @ts-expect-error -- there is no such moment
    expect(() => proves({ parent: ['asleep'] })).toThrow('parent/asleep')
  })
})
