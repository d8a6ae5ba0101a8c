// @ts-check
// Where a user has installed them: node imports.mjs @forksafe/core …
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

for (const name of process.argv.slice(2)) {
  const imported = await import(name)
  const names = Object.keys(imported)
  if (names.length === 0) throw new Error(`import('${name}') gives nothing`)
  // Where there is a default export, require() gives an object of its own, but the same things in it.
  const required = require(name)
  const other = names.find((key) => required[key] !== imported[key])
  if (other !== undefined) throw new Error(`There are two of ${other} in ${name}`)
}
