import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { published } from '../packages/published.mjs'

/** The fields that npm reads or displays. */
const FIELDS = [
  'bugs',
  'description',
  'engines',
  'exports',
  'files',
  'homepage',
  'keywords',
  'license',
  'repository',
  'sideEffects',
  'type',
]

test.each(published())(
  '$manifest.name has all the fields that npm uses',
  ({ folder, manifest }) => {
    expect(FIELDS.filter((field) => manifest[field] === undefined)).toEqual([])
    expect(manifest['publishConfig']).toEqual({ access: 'public', provenance: true })
    expect(existsSync(join(folder, 'README.md'))).toBe(true)
  },
)

test.each(published())('$manifest.name publishes only what has a source', ({ folder }) => {
  const stems = (part: string) =>
    readdirSync(join(folder, part), { recursive: true, encoding: 'utf8' }).map((file) =>
      file.replace(/(\.d)?\.m?[jt]s(\.map)?$/, ''),
    )
  const sources = new Set(stems('src'))
  const stale = stems('dist').filter((stem) => !sources.has(stem))
  expect(stale, 'remove dist, and build').toEqual([])
})
