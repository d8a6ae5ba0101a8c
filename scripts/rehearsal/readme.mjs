// @ts-check
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { published } from '../packages/published.mjs'
import { root } from '../tools.mjs'

/**
 * Returns the install commands in the READMEs, as arguments of npm.
 * @returns {string[][]}
 */
export function installs() {
  const readmes = [root, ...published().map(({ folder }) => folder)]
  const lines = readmes.map((folder) => first(folder, /^npm (install .*@forksafe.*)$/m))
  return [...new Set(lines)].map((line) => line.replace(/ #.*/, '').split(/\s+/))
}

/** Returns the first TypeScript snippet of the project's README. */
export function snippet() {
  return first(root, /```ts\n(.*?)```/s)
}

/**
 * @param {string} folder
 * @param {RegExp} pattern
 */
function first(folder, pattern) {
  const path = join(folder, 'README.md')
  const found = pattern.exec(readFileSync(path, 'utf8'))?.[1]
  if (found === undefined) throw new Error(`Expected ${path} to hold ${pattern}`)
  return found
}
