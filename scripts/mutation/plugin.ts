import { relative } from 'node:path'
import type { Plugin } from 'vitest/config'
import { root } from '../root.ts'
import { mutations } from './mutations.ts'

/**
 * A plugin for vitest that applies the mutation named by FORKSAFE_MUTATION when the source is loaded. The file itself is
 * unchanged.
 */
export function mutation(name = process.env['FORKSAFE_MUTATION']): Plugin[] {
  if (name === undefined) return []
  const mutant = mutations.find((mutation) => mutation.name === name)
  if (mutant === undefined) throw new Error(`There is no mutation "${name}"`)
  const { file, find, replace } = mutant
  return [
    {
      name: 'forksafe:mutation',
      enforce: 'pre',
      transform(code, id) {
        if (relative(root, id) !== file) return undefined
        return mutated(code, find, replace)
      },
    },
  ]
}

/** @throws if the code has changed since the mutation was written */
export function mutated(code: string, find: string, replace: string): string {
  if (code.split(find).length !== 2) throw new Error(`Expected to find once: ${find}`)
  return code.replace(find, () => replace)
}
