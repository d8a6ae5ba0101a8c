// @ts-check
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drawBench } from './bench.mjs'
import { drawDemo } from './demo.mjs'

export const folder = fileURLToPath(new URL('../../pictures/', import.meta.url))

/**
 * Draws all pictures of data. Returns them by file name.
 * @returns {Record<string, string>}
 */
export function draw() {
  const bench = benchmark()
  return { ...drawDemo(data('demo.json')), ...(bench === undefined ? {} : drawBench(bench)) }
}

/**
 * Returns the committed run of the benchmark, if there is one. `npm run docs:pictures -- bench` writes it.
 * @returns {import('./bench.mjs').Bench | undefined}
 */
export function benchmark() {
  return existsSync(join(folder, 'bench.json')) ? data('bench.json') : undefined
}

/** @param {string} file */
function data(file) {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'))
}
