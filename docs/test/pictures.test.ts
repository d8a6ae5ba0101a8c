import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { draw, folder } from '../build/draw/all.mjs'
import { drawBench } from '../build/draw/bench.mjs'

test('the pictures match their data (otherwise run `npm run docs:pictures` and commit them)', () => {
  const drawn = draw()
  for (const [file, svg] of Object.entries(drawn)) {
    expect(readFileSync(join(folder, file), 'utf8'), file).toBe(svg)
  }
  const charts = readdirSync(folder).filter((file) => file.endsWith('.svg'))
  expect(charts.sort()).toEqual([...Object.keys(drawn), 'how-it-works.svg'].sort())
})

test('a run of the benchmark is drawn, without the parts that it did not measure', () => {
  const row = (median: number) => ({ median, ratio: { median: 1 } })
  const drawn = drawBench({
    environment: { node: '20', platform: 'linux-x64', cpu: 'a', cores: 2, peers: {} },
    quick: true,
    lending: { solo: { core: row(129), tarn: row(1845), 'core-without-koffi': { skipped: 'no' } } },
    queries: { '10': { forksafe: row(40_000), 'pg.Pool': row(42_000) } },
    afterFork: {
      '10 idle connections': {
        firstAnswer: { median: 7.54 },
        afterFork: { median: 2 },
        newPool: { median: 4 },
      },
    },
  })
  expect(Object.keys(drawn)).toEqual([
    'bench-solo.svg',
    'bench-queries-10.svg',
    'bench-after-fork.svg',
  ])
  expect(drawn['bench-solo.svg']).toContain('aria-description="In ns: forksafe 129; tarn 1,845."')
  expect(drawn['bench-queries-10.svg']).toContain(': pg.Pool 42,000; forksafe 40,000."')
  expect(drawn['bench-after-fork.svg']).toContain('10 idle connections 7.5')
})
