import { isMainThread } from 'node:worker_threads'
import { ForkUnsupportedError } from './errors.ts'
import { loadLibc, type Libc } from './libc.ts'

/** Whether {@link fork} works in this process, and if not, the reason. */
export type ForkSupport = { supported: true } | { supported: false; reason: string }

/**
 * Returns whether {@link fork} works: on Linux on x64 or arm64, in the main thread, with koffi, and on Node 22 and later only in a
 * process started with `--v8-pool-size=1 --single-threaded`. Use these flags on Node 20 too: without them, a child that does
 * much work may hang. Use the reason to skip tests.
 */
export function forkSupported(): ForkSupport {
  const reason = obstacle()
  return reason === undefined ? { supported: true } : { supported: false, reason }
}

/**
 * Loaded now and not at the first fork: Node 20 and 22 do not resolve symbolic links right after an lstat of a Unix socket, and
 * would not find koffi in a pnpm workspace.
 */
const { libc, failure } = load()

function load(): { libc?: Libc; failure?: string } {
  if (process.platform !== 'linux') return {}
  try {
    return { libc: loadLibc() }
  } catch (error) {
    return {
      failure: `koffi does not load: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

/** @throws {@link ForkUnsupportedError} if {@link fork} does not work. */
export function libcForFork(): Libc {
  const reason = obstacle()
  if (reason !== undefined || libc === undefined) throw new ForkUnsupportedError(reason ?? '')
  return libc
}

function obstacle(): string | undefined {
  if (process.platform !== 'linux') return `it needs Linux, but this is ${process.platform}`
  if (process.arch !== 'x64' && process.arch !== 'arm64') {
    return `it needs x64 or arm64, but this is ${process.arch}`
  }
  if (!isMainThread) return 'a worker thread cannot be forked'
  if (Number.parseInt(process.versions.node, 10) >= 22 && !startedForForking()) {
    return 'Node 22 and later must be started with --v8-pool-size=1 --single-threaded, in execArgv'
  }
  return failure
}

/**
 * V8's helper threads do not exist in a forked child, which sooner or later waits for one of them forever. One thread that is
 * never used does no harm. With a size of 0, Node chooses by the number of processors, which may be one.
 */
function startedForForking(): boolean {
  const flags = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ')
  return /(?:^|\s)--(?:v8[-_]pool[-_]size[=\s][01]|single[-_]threaded)(?:\s|$)/.test(flags)
}
