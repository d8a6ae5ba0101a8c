import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { oldestOf } from '../oldest-peers.mjs'
import { root } from '../root.ts'
import { leftOut, plan } from '../test-plan.mjs'

const node = (major: string) => ({ name: major, major, find: async () => major })

test('the first Node runs everything, the last has the oldest peers, every second the embedded PostgreSQL', () => {
  const planned = plan(['20', '22', '24', '26'].map(node), {})
  expect(planned.map(({ title }) => title)).toEqual([
    'test on Node 20',
    'test on Node 22, embedded PostgreSQL',
    'test on Node 24',
    'test on Node 26, embedded PostgreSQL, the oldest peers',
  ])
  const [first, second, third, last] = planned.map(({ parts }) => parts.flatMap(({ args }) => args))
  const projects = (args: string[] = []) => args.filter((arg) => arg.startsWith('--project='))
  const folders = readdirSync(new URL('../../packages', import.meta.url))
  const everything = [...folders, 'scripts', 'examples', 'libraries', 'docs']
  expect(projects(first).sort()).toEqual(everything.map((name) => `--project=${name}`).sort())
  expect(first?.some((arg) => arg.startsWith('--exclude'))).toBe(false)
  expect(second).toEqual(third)
  expect(second).not.toContain('--project=examples')
  expect(last).toContain('--project=examples')
})

test('a Node in the middle runs the tests of core, the testkit and forks, and no others of the drivers', async () => {
  const [, second] = plan(['20', '22', '24'].map(node), {})
  const args = second?.parts.flatMap(({ args }) => args) ?? []
  const vitest = ['node_modules/vitest/vitest.mjs', 'list', '--filesOnly', ...args]
  const { stdout } = await promisify(execFile)(process.execPath, vitest, { cwd: root })
  const files = stdout.match(/\S+\.test\.ts/g) ?? []
  const inFolder = (folder: string) => readdirSync(join(root, folder)).map((name) => folder + name)
  const expected = [
    ...inFolder('packages/core/test/'),
    ...inFolder('packages/testkit/test/'),
  ].filter((file) => file.endsWith('.test.ts') && !/model|broken-/.test(file))
  expect(files).toEqual(expect.arrayContaining(expected))
  expect(files).toContain('packages/driver-pg/test/fork-states.test.ts')
  expect(files).not.toContain('packages/driver-pg/test/pgbouncer.test.ts')
})

test('a single Node runs everything with the newest peers, and keeps a selected PostgreSQL', () => {
  const [first] = plan(['20', '22'].map(node), {})
  expect(plan([node('24')], {})).toMatchObject([{ parts: first?.parts, oldestPeers: false }])
  const chosen = plan(['20', '22'].map(node), { FORKSAFE_PG_SOURCE: 'machine' })
  expect(chosen.map(({ postgres }) => postgres)).toEqual([undefined, undefined])
})

test('the end of a run reports what it left out, and how to run that', () => {
  const supported = ['20', '22', '24', '26']
  expect(leftOut(['22'], supported)).toEqual([
    expect.stringMatching(/^Node 20, 24, 26, .*FORKSAFE_NODES=all/),
    expect.stringMatching(/^the oldest peers and the rehearsal .*FORKSAFE_NODES=all/),
  ])
  expect(leftOut(supported, supported)).toEqual([expect.stringMatching(/^on Node 22, 24, 26: /)])
})

test('the oldest version of a peer is the lower end of its range', () => {
  expect(oldestOf({ pg: '^8.21.0', vitest: '>=4.1.0' })).toEqual({ pg: '8.21.0', vitest: '4.1.0' })
  expect(() => oldestOf({ pg: '8.x' })).toThrow('Expected the range of pg to be')
})
