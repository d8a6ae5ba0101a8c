// @ts-check
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './repository.mjs'

/**
 * Returns the paths of all documents for readers, relative to the root of the repository.
 * @returns {string[]}
 */
export function documents() {
  const guides = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'))
  const readmes = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`)
  const all = ['README.md', 'CONTRIBUTING.md', ...guides.map((file) => `docs/${file}`), ...readmes]
  return all.filter((path) => existsSync(join(root, path)))
}
