// @ts-check
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createVitest } from 'vitest/node'
import { root } from '../tools.mjs'

/**
 * Collects the tests that prove cells of the table, without running them.
 * @returns {Promise<import('./page.mjs').Proof[]>}
 */
export async function collectProofs() {
  const vitest = await createVitest('test', { root, watch: false, reporters: [] })
  try {
    const { testModules, unhandledErrors } = await vitest.collect(filesWithProofs())
    const errors = [...unhandledErrors, ...testModules.flatMap((module) => module.errors())]
    if (errors.length > 0) throw new AggregateError(errors, 'Cannot collect the tests')
    return testModules.flatMap((module) =>
      [...module.children.allTests()].flatMap((test) => {
        const { proves } = /** @type {{ proves?: string[] }} */ (test.meta())
        const file = relative(root, module.moduleId)
        return proves === undefined
          ? []
          : [{ file, title: test.fullName.replaceAll(' > ', ' '), proves }]
      }),
    )
  } finally {
    await vitest.close()
  }
}

function filesWithProofs() {
  const files = readdirSync(join(root, 'packages'), { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => /^[\w-]+\/test\/.*\.test\.ts$/.test(file))
    .map((file) => join(root, 'packages', file))
    .filter((file) => readFileSync(file, 'utf8').includes('proves('))
}
