// @ts-check
// Imports packages from where a user installed them: node imports.mjs @forksafe/core …
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

for (const name of process.argv.slice(2)) {
  const imported = await import(name)
  const required = require(name)
  const names = Object.keys(required)
  if (names.length === 0) throw new Error(`require('${name}') has no exports`)
  const other = names.find((key) => required[key] !== imported[key])
  if (other !== undefined) throw new Error(`There are two of ${other} in ${name}`)
}
