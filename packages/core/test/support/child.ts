import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'

const packageFolder = fileURLToPath(new URL('../..', import.meta.url))

/** Core compiled from the current sources, to be loaded by plain `node`. */
export class CompiledCore {
  readonly #folder: string

  /** Compiles core. With `alone`, it has only its dependencies, and no optional peer. */
  constructor({ alone = false } = {}) {
    if (alone) {
      this.#folder = mkdtempSync(join(tmpdir(), 'forksafe-core-'))
      const needed = dirname(createRequire(import.meta.url).resolve('generic-pool/package.json'))
      mkdirSync(join(this.#folder, 'node_modules'))
      symlinkSync(needed, join(this.#folder, 'node_modules', 'generic-pool'))
    } else {
      // Inside the package, so that its dependencies are found.
      const cache = join(packageFolder, 'node_modules', '.cache')
      mkdirSync(cache, { recursive: true })
      this.#folder = mkdtempSync(join(cache, 'core-'))
    }
    cpSync(join(packageFolder, 'package.json'), join(this.#folder, 'package.json'))
    const sources = join(packageFolder, 'src')
    for (const file of readdirSync(sources, { recursive: true }) as string[]) {
      if (!file.endsWith('.ts')) continue
      const { outputText } = ts.transpileModule(readFileSync(join(sources, file), 'utf8'), {
        compilerOptions: {
          target: ts.ScriptTarget.ES2022,
          module: ts.ModuleKind.NodeNext,
          rewriteRelativeImportExtensions: true,
        },
        fileName: file,
      })
      const target = join(this.#folder, file.replace(/\.ts$/, '.js'))
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, outputText)
    }
  }

  /** Runs a module in a separate process, with `core` and `genericPool` in scope. Kills it if it does not exit. */
  run(code: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const core = pathToFileURL(join(this.#folder, 'index.js')).href
    const genericPool = pathToFileURL(join(this.#folder, 'generic-pool', 'index.js')).href
    const imports = `import * as core from '${core}'\nimport genericPool from '${genericPool}'\n`
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        ['--input-type=module', '--eval', imports + code],
        // pnpm's start scripts set NODE_PATH, through which all packages could be found.
        { timeout: 50_000, killSignal: 'SIGKILL', env: { ...process.env, NODE_PATH: '' } },
        (_error, stdout, stderr) => {
          resolve({ code: child.exitCode, stdout, stderr })
        },
      )
    })
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
