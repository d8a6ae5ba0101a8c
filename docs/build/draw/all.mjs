// @ts-check
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drawBench } from './bench.mjs'
import { drawDemo } from './demo.mjs'
import { drawHow } from './how.mjs'

export const folder = fileURLToPath(new URL('../../pictures/', import.meta.url))

/**
 * Every picture, by file.
 * @returns {Record<string, string>}
 */
export function draw() {
  const bench = benchmark()
  return {
    ...drawHow(),
    ...drawDemo(data('demo.json')),
    ...(bench === undefined ? {} : drawBench(bench)),
  }
}

/**
 * What `npm run docs:pictures -- bench` has written, if it has.
 * @returns {import('./bench.mjs').Bench | undefined}
 */
export function benchmark() {
  return existsSync(join(folder, 'bench.json')) ? data('bench.json') : undefined
}

/** @param {string} file */
function data(file) {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'))
}
