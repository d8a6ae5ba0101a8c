import {
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
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const packages = fileURLToPath(new URL('../../..', import.meta.url))

/**
 * The programs in `test/programs`, as plain `node` runs them, with core, this driver and the testkit as their sources are
 * now.
 */
export class Programs {
  readonly #folder = mkdtempSync(join(tmpdir(), 'forksafe-programs-'))

  constructor() {
    const modules = join(this.#folder, 'node_modules')
    for (const name of ['core', 'driver-pg', 'testkit']) {
      const folder = join(modules, '@forksafe', name)
      compile(join(packages, name, 'src'), folder)
      const manifest = { type: 'module', exports: './index.js' }
      writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    }
    for (const [needed, by] of [
      ['generic-pool', 'core'],
      ['koffi', 'core'],
      ['pg', 'driver-pg'],
    ] as const) {
      symlinkSync(realpathSync(join(packages, by, 'node_modules', needed)), join(modules, needed))
    }
    compile(join(packages, 'driver-pg', 'test', 'programs'), join(this.#folder, 'programs'))
    writeFileSync(join(this.#folder, 'programs', 'package.json'), '{ "type": "module" }')
  }

  path(name: string): string {
    return join(this.#folder, 'programs', `${name}.js`)
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function compile(from: string, to: string): void {
  const files = readdirSync(from, { recursive: true, encoding: 'utf8' })
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(join(from, file), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
      fileName: file,
    })
    const output = join(to, file.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(output), { recursive: true })
    writeFileSync(output, outputText)
  }
}
