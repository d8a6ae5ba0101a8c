// @ts-check
import { cpSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { nodes } from '../nodes.mjs'
import { environment, npmPackage, root, run } from '../tools.mjs'

const TOOLS = [
  'webpack@5.113.0',
  'rollup@4.68.8',
  '@rollup/plugin-commonjs@29.0.3',
  '@rollup/plugin-json@6.1.0',
  '@rollup/plugin-node-resolve@16.0.3',
  'esbuild@0.28.2',
]
/** An ES module has no `require`, and pg needs one. */
const REQUIRE =
  "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)"

/** @typedef {{ name: string, bundle: (input: string, output: string, isModule: boolean) => Promise<unknown> }} Bundler */

/**
 * Bundles a CommonJS program and an ES module with each bundler and runs them: koffi must be found, and core exist once.
 * @param {string} project
 */
export async function testBundles(project) {
  const folder = programs(project)
  for (const { name, bundle } of await bundlers()) {
    for (const program of ['pool.cjs', 'pool.mjs']) {
      const output = join(project, 'bundles', name, program)
      mkdirSync(dirname(output), { recursive: true })
      await bundle(join(folder, program), output, program.endsWith('.mjs'))
      await node(output, [], program)
    }
  }
}

/**
 * Runs a test in each kind of module with node:test, and in CommonJS with Jest. The driver template's tests are run by Vitest.
 * @param {string} project
 */
export async function testRunners(project) {
  const folder = programs(project)
  for (const { find } of nodes()) {
    const files = ['pool.test.cjs', 'pool.test.mjs'].map((file) => join(folder, file))
    await node('--test', files, '', await find())
  }
  const jest = join(await tools(), 'jest/bin/jest.js')
  const config = JSON.stringify({ rootDir: folder, testMatch: ['**/*.test.cjs'], transform: {} })
  await node(jest, ['--config', config, '--watchman=false'])
}

/** @param {string} project */
function programs(project) {
  const folder = join(project, 'formats')
  cpSync(join(root, 'scripts/rehearsal/user/formats'), folder, { recursive: true })
  return folder
}

/** @returns {Promise<string>} a node_modules with the bundlers and Jest */
async function tools() {
  return await npmPackage('bundlers', 'jest', '30.5.2', TOOLS)
}

/** @returns {Promise<Bundler[]>} */
async function bundlers() {
  const load = createRequire(join(await tools(), 'tools.js'))
  const esbuild = load('esbuild')
  const { rollup } = load('rollup')
  const webpack = load('webpack')
  const resolve = load('@rollup/plugin-node-resolve').default
  const commonjs = load('@rollup/plugin-commonjs')
  const json = load('@rollup/plugin-json')
  return [
    {
      name: 'esbuild',
      bundle: (input, outfile, isModule) =>
        esbuild.build({
          entryPoints: [input],
          outfile,
          bundle: true,
          platform: 'node',
          external: ['pg-native'],
          ...(isModule ? { format: 'esm', banner: { js: REQUIRE } } : { format: 'cjs' }),
        }),
    },
    {
      name: 'rollup',
      bundle: async (input, file, isModule) => {
        const plugins = [
          resolve({ preferBuiltins: true, exportConditions: ['node'] }),
          commonjs({ ignore: ['pg-native'] }),
          json(),
        ]
        const build = await rollup({ input, plugins, external: [/^node:/], logLevel: 'silent' })
        await build.write({ file, format: isModule ? 'es' : 'cjs' })
      },
    },
    {
      name: 'webpack',
      bundle: (input, output, isModule) =>
        new Promise((done, fail) => {
          const configuration = {
            mode: 'production',
            target: 'node20',
            entry: input,
            externals: { 'pg-native': 'commonjs pg-native' },
            output: { path: dirname(output), filename: basename(output), module: isModule },
            experiments: { outputModule: isModule },
          }
          webpack(configuration, (/** @type {any} */ error, /** @type {any} */ stats) => {
            const bad = error ?? (stats.hasErrors() || stats.hasWarnings() ? stats : undefined)
            if (bad === undefined) done(undefined)
            else fail(new Error(String(bad)))
          })
        }),
    },
  ]
}

/**
 * @param {string} file
 * @param {string[]} args
 * @param {string} check the program that checks itself, by its name
 */
async function node(file, args = [], check = '', executable = process.execPath) {
  const env = { ...environment(dirname(executable)), CHECK: check }
  const cwd = args[0] === undefined ? dirname(file) : root
  await run(basename(file), { command: executable, args: [file, ...args], env, cwd })
}
