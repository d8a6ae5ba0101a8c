import { expect, test } from 'vitest'
import { oldestOf } from '../oldest-peers.mjs'
import { plan } from '../test-plan.mjs'

const node = (major: string) => ({ name: major, major, find: async () => major })

test('the first Node runs everything, the last has the oldest peers, every second the embedded PostgreSQL', () => {
  const planned = plan(['20', '22', '24', '26'].map(node), {})
  expect(planned.map(({ title }) => title)).toEqual([
    'test on Node 20',
    'test on Node 22, embedded PostgreSQL',
    'test on Node 24',
    'test on Node 26, embedded PostgreSQL, the oldest peers',
  ])
  const [first, second, third, last] = planned.map(({ chosen }) => chosen)
  expect(first).toEqual([])
  expect(second).toEqual(third)
  expect(second).not.toContain('--project=examples')
  expect(last).toContain('--project=examples')
  expect(planned.map(({ types }) => Object.keys(types).length)).toEqual([0, 1, 1, 1])
})

test('a Node alone runs everything, with the newest peers, and a PostgreSQL that was chosen is kept', () => {
  expect(plan([node('24')], {})).toMatchObject([{ chosen: [], oldestPeers: false }])
  const chosen = plan(['20', '22'].map(node), { FORKSAFE_PG_SOURCE: 'machine' })
  expect(chosen.map(({ postgres }) => postgres)).toEqual([undefined, undefined])
})

test('the oldest of a peer is where its range begins', () => {
  expect(oldestOf({ pg: '^8.21.0', vitest: '>=4.1.0' })).toEqual({ pg: '8.21.0', vitest: '4.1.0' })
  expect(() => oldestOf({ pg: '8.x' })).toThrow('Expected the range of pg to be')
})
