// @ts-check
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../tools.mjs'

/**
 * @typedef {{
 *   name: string,
 *   version: string,
 *   exports: Record<string, { types: string, default: string }>,
 *   dependencies?: Record<string, string>,
 *   devDependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string>,
 *   [field: string]: unknown,
 * }} Manifest
 */

/**
 * Returns the packages that users can install: all in `packages/`.
 * @returns {{ folder: string, manifest: Manifest }[]}
 */
export function published() {
  return readdirSync(join(root, 'packages')).map((name) => {
    const folder = join(root, 'packages', name)
    return { folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }
  })
}
