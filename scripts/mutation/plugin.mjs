// @ts-check
import { relative } from 'node:path'
import { root } from '../tools.mjs'
import { mutations } from './mutations.mjs'

/** @returns {import('vitest/config').Plugin[]} */
export function mutation(name = process.env['FORKSAFE_MUTATION']) {
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

/** @type {(code: string, find: string, replace: string) => string} */
export function mutated(code, find, replace) {
  if (code.split(find).length !== 2) throw new Error(`Expected to find once: ${find}`)
  return code.replace(find, () => replace)
}
