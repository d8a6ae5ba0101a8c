import { Programs } from '@forksafe/scripts/programs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'

const file = 'test/memcached-conformance.test'

/** Runs the conformance file with `node:test`, and returns its output. */
async function runByNode(flags: string[]): Promise<string> {
  const programs = new Programs({ from: 'examples', packages: ['core', 'testkit', 'scripts'] })
  onTestFinished(() => programs.remove())
  const args = [...flags, '--test', '--test-reporter=tap', programs.path(file)]
  // vitest sets variables that identify it as the test runner.
  const { VITEST: _, ...env } = process.env
  const node = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed] = await Promise.all([text(node.stdout), once(node, 'exit')])
  return printed
}

const passed = (printed: string): number => Number(/^# pass (\d+)$/m.exec(printed)?.[1])
const failed = (printed: string): number => Number(/^# fail (\d+)$/m.exec(printed)?.[1])

test('a conformance file also runs under node:test', { timeout: 120_000 }, async () => {
  const printed = await runByNode(['--v8-pool-size=1', '--single-threaded'])
  expect(failed(printed)).toBe(0)
  expect(passed(printed)).toBeGreaterThan(35)
  expect(printed).toMatch(/^ +ok \d+ - reset .* # SKIP a memcached keeps nothing/m)
})

test.skipIf(process.version.startsWith('v20.'))(
  'without the flags that a fork needs, the checks that fork fail, and name the flags',
  { timeout: 120_000 },
  async () => {
    const printed = await runByNode([])
    expect(failed(printed)).toBeGreaterThan(15)
    expect(printed).toContain('must be started with --v8-pool-size=1 --single-threaded')
    expect(printed).not.toContain('asynchronous activity')
  },
)
