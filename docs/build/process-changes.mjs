// @ts-check
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SUPPORTED } from '../../scripts/nodes.mjs'
import { collectProofs } from '@forksafe/scripts/proof/collect'
import { page } from '@forksafe/scripts/proof/page'

/**
 * Writes the table of process changes, with links to its tests: `generated/process-changes.md`.
 * @param {string} docs
 */
export async function writeProcessChanges(docs) {
  const table = page(await collectProofs(), SUPPORTED, '..')
  writeFileSync(join(docs, 'generated/process-changes.md'), table)
}
