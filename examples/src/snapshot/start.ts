import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** The output of one start of the program, and the time from `spawn` to its exit. */
export interface Start {
  readonly session: number
  readonly type: string
  readonly generation: number
  readonly millis: number
}

/** Runs `node app.cjs` or `node --snapshot-blob app.blob app`. */
export async function start(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Start> {
  const started = performance.now()
  const { stdout } = await promisify(execFile)(process.execPath, args, { env })
  const millis = performance.now() - started
  return { ...(JSON.parse(stdout) as Omit<Start, 'millis'>), millis }
}

export async function startInTurn(
  times: number,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Start[]> {
  const starts: Start[] = []
  for (let n = 0; n < times; n++) starts.push(await start(args, env))
  return starts
}

export function medianMillis(starts: readonly Start[]): number {
  const sorted = starts.map(({ millis }) => millis).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
