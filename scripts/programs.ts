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
import { root } from './root.ts'

/** The programs to compile. */
export interface ProgramsOptions {
  /** The folder of the programs, seen from the root of the repository. */
  from: string
  /** Our packages that the programs import, by the names of their folders. */
  packages: string[]
}

type Format = 'commonjs' | 'module'

interface Manifest {
  readonly type: Format
  readonly exports: Readonly<Record<string, { readonly '@forksafe/source': string }>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** Programs in TypeScript, compiled with the current sources of our packages so that each version of Node can run them. */
export class Programs {
  readonly #folder = mkdtempSync(join(tmpdir(), 'forksafe-programs-'))

  constructor({ from, packages }: ProgramsOptions) {
    const modules = join(this.#folder, 'node_modules')
    for (const name of withDependencies(packages)) {
      const source = sourceOf(name)
      const folder = join(modules, '@forksafe', name)
      const sources = name === 'scripts' ? '' : 'src'
      const manifest = manifestOf(name)
      const { type } = manifest
      compile(join(source, sources), join(folder, sources), type)
      const compiled = { type, exports: compiledExports(manifest) }
      writeFileSync(join(folder, 'package.json'), JSON.stringify(compiled))
      for (const needed of neededBy(manifest)) link(source, needed, modules)
    }
    compile(join(root, from), join(this.#folder, 'programs'), 'module')
    writeFileSync(join(this.#folder, 'programs', 'package.json'), '{ "type": "module" }')
  }

  /** The path of a program, given its place in the folder without the extension. */
  path(name: string): string {
    return join(this.#folder, 'programs', `${name}.js`)
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function sourceOf(name: string): string {
  return name === 'scripts' ? join(root, name) : join(root, 'packages', name)
}

function manifestOf(name: string): Manifest {
  return JSON.parse(readFileSync(join(sourceOf(name), 'package.json'), 'utf8')) as Manifest
}

/** Returns these packages of ours and those that they depend on. */
function withDependencies(packages: readonly string[]): Set<string> {
  const all = new Set(packages)
  // A package that is added is visited, too.
  for (const name of all) {
    if (name === 'scripts') continue
    const { dependencies = {}, peerDependencies = {} } = manifestOf(name)
    for (const needed of Object.keys({ ...dependencies, ...peerDependencies })) {
      if (needed.startsWith('@forksafe/')) all.add(needed.replace('@forksafe/', ''))
    }
  }
  return all
}

/** Returns the entry points, which lead to their compiled sources. */
function compiledExports({ exports }: Manifest): Record<string, string> {
  const compiled = Object.entries(exports).map(([entry, { '@forksafe/source': source }]) => [
    entry,
    source.replace(/\.ts$/, '.js'),
  ])
  return Object.fromEntries(compiled) as Record<string, string>
}

/** Returns the dependencies of a package, except our own packages and optional peers. */
function neededBy({
  dependencies = {},
  peerDependencies = {},
  peerDependenciesMeta = {},
}: Manifest): string[] {
  const peers = Object.keys(peerDependencies).filter(
    (peer) => !peerDependenciesMeta[peer]?.optional,
  )
  return [...Object.keys(dependencies), ...peers].filter((name) => !name.startsWith('@forksafe/'))
}

function link(by: string, needed: string, modules: string): void {
  const to = join(modules, needed)
  rmSync(to, { force: true })
  mkdirSync(dirname(to), { recursive: true })
  symlinkSync(realpathSync(join(by, 'node_modules', needed)), to)
}

function compile(from: string, to: string, format: Format): void {
  for (const file of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    if (/^(node_modules|dist)\//.test(file)) continue
    const output = join(to, file.replace(/\.ts$/, '.js'))
    if (/\.m?js$/.test(file)) {
      mkdirSync(dirname(output), { recursive: true })
      copyFileSync(join(from, file), output)
    }
    if (!file.endsWith('.ts')) continue
    const { outputText } = ts.transpileModule(readFileSync(join(from, file), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        // NodeNext compiles a file outside of a package of ES modules to CommonJS, and keeps `import()`.
        module: format === 'module' ? ts.ModuleKind.ESNext : ts.ModuleKind.NodeNext,
        rewriteRelativeImportExtensions: true,
      },
      fileName: file,
    })
    mkdirSync(dirname(output), { recursive: true })
    writeFileSync(output, outputText)
  }
}
