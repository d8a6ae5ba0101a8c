// @ts-check
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { root } from './tools.mjs'

export class Programs {
  #folder = mkdtempSync(join(tmpdir(), 'forksafe-programs-'))

  /** @param {import('./programs.mjs').ProgramsOptions} options */
  constructor({ from, packages }) {
    const modules = join(this.#folder, 'node_modules')
    for (const name of packages) {
      const folder = join(modules, '@forksafe', name)
      compile(join(root, 'packages', name, 'src'), folder)
      const manifest = manifestOf(name)
      const compiled = { type: 'module', exports: compiledExports(manifest) }
      writeFileSync(join(folder, 'package.json'), JSON.stringify(compiled))
      for (const needed of neededBy(manifest)) link(join(root, 'packages', name), needed, modules)
    }
    symlinkSync(join(root, 'scripts'), join(modules, '@forksafe', 'scripts'))
    compile(join(root, from), join(this.#folder, 'programs'))
    writeFileSync(join(this.#folder, 'programs', 'package.json'), '{ "type": "module" }')
  }

  /** @param {string} name */
  path(name) {
    return join(this.#folder, 'programs', `${name}.js`)
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/**
 * @typedef {{
 *   exports: Record<string, { '@forksafe/source': string }>,
 *   dependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string>,
 *   peerDependenciesMeta?: Record<string, { optional?: boolean }>,
 * }} Manifest
 */

/**
 * @param {string} name
 * @returns {Manifest}
 */
function manifestOf(name) {
  return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
}

/**
 * Each entry, where its source was compiled to.
 * @param {Manifest} manifest
 */
function compiledExports({ exports }) {
  const compiled = Object.entries(exports).map(([entry, { '@forksafe/source': source }]) => [
    entry,
    source.replace('./src/', './').replace(/\.ts$/, '.js'),
  ])
  return Object.fromEntries(compiled)
}

/**
 * What a package needs of others than ours.
 * @param {Manifest} manifest
 */
function neededBy({ dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }) {
  const peers = Object.keys(peerDependencies).filter(
    (peer) => !peerDependenciesMeta[peer]?.optional,
  )
  return [...Object.keys(dependencies), ...peers].filter(
    (needed) => !needed.startsWith('@forksafe/'),
  )
}

/**
 * @param {string} by the package's folder
 * @param {string} needed
 * @param {string} modules
 */
function link(by, needed, modules) {
  rmSync(join(modules, needed), { force: true })
  symlinkSync(realpathSync(join(by, 'node_modules', needed)), join(modules, needed))
}

/**
 * @param {string} from
 * @param {string} to
 */
function compile(from, to) {
  for (const file of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    if (/^(node_modules|dist)\b/.test(file)) continue
    const output = join(to, file.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(output), { recursive: true })
    if (file.endsWith('.js')) copyFileSync(join(from, file), output)
    if (!file.endsWith('.ts')) continue
    const { outputText } = ts.transpileModule(readFileSync(join(from, file), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
      fileName: file,
    })
    writeFileSync(output, outputText)
  }
}
