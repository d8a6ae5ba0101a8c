// @ts-check
// Where a user has installed them: node imports.mjs @forksafe/core …
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

for (const name of process.argv.slice(2)) {
  const imported = await import(name)
  if (Object.keys(imported).length === 0) throw new Error(`import('${name}') gives nothing`)
  if (require(name) !== imported) throw new Error(`import and require() of ${name} are two things`)
}
