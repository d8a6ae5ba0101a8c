// @ts-check
// Imports packages from where a user installed them: node imports.mjs @forksafe/core …
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

for (const name of process.argv.slice(2)) {
  const imported = await import(name)
  const names = Object.keys(imported)
  if (names.length === 0) throw new Error(`import('${name}') has no exports`)
  // With a default export, require() returns a different object with the same members.
  const required = require(name)
  const other = names.find((key) => required[key] !== imported[key])
  if (other !== undefined) throw new Error(`There are two of ${other} in ${name}`)
}
