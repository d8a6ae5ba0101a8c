import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createVitest } from 'vitest/node'
import { root } from '../root.ts'
import type { Proof } from './page.ts'
import type { ProofMeta } from './proves.ts'

/** Collects the tests that prove cells of the table, without running them. */
export async function collectProofs(): Promise<Proof[]> {
  const vitest = await createVitest('test', { root, watch: false, reporters: [] })
  try {
    const { testModules, unhandledErrors } = await vitest.collect(filesWithProofs())
    const errors = [...unhandledErrors, ...testModules.flatMap((module) => module.errors())]
    if (errors.length > 0) throw new AggregateError(errors, 'Cannot collect the tests')
    return testModules.flatMap((module) =>
      [...module.children.allTests()].flatMap((test) => {
        const { proves }: ProofMeta = test.meta()
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

function filesWithProofs(): string[] {
  const files = readdirSync(join(root, 'packages'), { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => /^[\w-]+\/test\/.*\.test\.ts$/.test(file))
    .map((file) => join(root, 'packages', file))
    .filter((file) => readFileSync(file, 'utf8').includes('proves('))
}
