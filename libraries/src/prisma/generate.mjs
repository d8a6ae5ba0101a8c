// @ts-check
// Generates Prisma's client into generated/prisma, like `prisma generate`. That command would download an engine of 230 MB that
// this client does not need. Its generator alone is small.
import { readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
/** @type {typeof import('@prisma/client-generator-ts')} */
const { generateClient, getDMMF } = require('@prisma/client-generator-ts')
const { version } = require('@prisma/client/package.json')

const schemaPath = fileURLToPath(new URL('schema.prisma', import.meta.url))
const outputDir = fileURLToPath(new URL('../../generated/prisma', import.meta.url))
const datamodel = readFileSync(schemaPath, 'utf8')
const none = { fromEnvVar: null, value: null }

rmSync(outputDir, { recursive: true, force: true })
await generateClient({
  datamodel,
  dmmf: await getDMMF({ datamodel: [[schemaPath, datamodel]] }),
  schemaPath,
  outputDir,
  runtimeBase: '@prisma/client/runtime',
  clientVersion: version,
  engineVersion: '', // This client has no engine.
  binaryPaths: {},
  activeProvider: 'postgresql',
  datasources: [
    {
      name: 'db',
      provider: 'postgresql',
      activeProvider: 'postgresql',
      url: none,
      schemas: [],
      sourceFilePath: schemaPath,
    },
  ],
  generator: {
    name: 'client',
    provider: { fromEnvVar: null, value: 'prisma-client' },
    output: { fromEnvVar: null, value: outputDir },
    config: {},
    binaryTargets: [],
    previewFeatures: [],
    sourceFilePath: schemaPath,
  },
  target: 'nodejs',
  moduleFormat: 'esm',
  generatedFileExtension: 'ts',
  importFileExtension: 'ts',
  tsNoCheckPreamble: true,
  compilerBuild: 'fast',
})
