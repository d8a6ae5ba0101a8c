import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { type Bench, drawBench } from '../build/draw/bench.mjs'

const program = fileURLToPath(new URL('../../bench/dist/main.js', import.meta.url))

test('the benchmark runs, and its results can be drawn', { timeout: 180_000 }, async () => {
  // The parts that take seconds. The others differ in what they measure, not in how.
  const args = [program, 'heap', 'afterFork', '--quick', '--json']
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 })
  const measured = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Bench
  expect(Object.keys(drawBench(measured)).sort()).toEqual([
    'bench-after-fork.svg',
    'bench-heap-pool.svg',
    'bench-heap.svg',
  ])
})
