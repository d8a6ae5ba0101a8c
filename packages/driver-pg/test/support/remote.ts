import { Programs } from '@forksafe/scripts/programs'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import type { Outcome, Remote, RemoteSettings } from '../programs/remote.ts'
import { sessionsAlive } from './pools.ts'

let programs: Programs | undefined

/** Has the programs ready for a file's tests. */
export function usePrograms(): () => Programs {
  beforeAll(() => {
    programs = new Programs({
      from: 'packages/driver-pg/test/programs',
      packages: ['core', 'driver-pg', 'testkit'],
    })
  })
  afterAll(() => programs?.remove())
  return () => {
    if (programs === undefined) throw new Error('The programs are made before the first test.')
    return programs
  }
}

/** Another process with a pool, which can be frozen. It ends with the test. */
export class RemoteProcess {
  readonly #child: ChildProcess
  #asked = 0

  constructor(programs: Programs, settings: RemoteSettings) {
    this.#child = fork(programs.path('remote'), [JSON.stringify(settings)], { execArgv: [] })
    onTestFinished(() => this.#end())
  }

  /** Runs a function there, and gives what it returns. It can use nothing but what it is given. */
  async run<T, A>(
    work: (remote: Remote, argument: A) => T | Promise<T>,
    argument?: A,
  ): Promise<Awaited<T>> {
    const id = ++this.#asked
    this.#child.send({ id, source: work.toString(), argument })
    const outcome = await this.#answer(id)
    if ('error' in outcome)
      throw new Error(`In the other process: ${outcome.error}: ${outcome.message}`)
    return outcome.value as Awaited<T>
  }

  /** Stops the process, in the middle of whatever it does. */
  async freeze(): Promise<void> {
    this.#child.kill('SIGSTOP')
    await this.frozen()
  }

  /** Waits until the process is stopped. */
  async frozen(): Promise<void> {
    const stat = `/proc/${this.#child.pid}/stat`
    await expect.poll(() => readFileSync(stat, 'utf8').replace(/^.*\) /s, '')[0]).toBe('T')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  #answer(id: number): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const child = this.#child
      const over = (): void => {
        child.off('message', hear)
        child.off('exit', exited)
      }
      const hear = (message: unknown): void => {
        const told = message as { id: number; outcome: Outcome }
        if (told.id !== id) return
        over()
        resolve(told.outcome)
      }
      const exited = (code: number | null, signal: string | null): void => {
        over()
        reject(new Error(`The other process ended (${signal ?? code}).`))
      }
      child.on('message', hear)
      child.once('exit', exited)
    })
  }

  async #end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

/** Has the other process open three connections, and leave them idle. The last one came back last. */
export function fill(remote: RemoteProcess): Promise<number[]> {
  return remote.run(async ({ pool, pidOf }) => {
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
    const pids = await Promise.all(leases.map(({ resource }) => pidOf(resource)))
    for (const lease of leases) lease.release()
    return pids
  })
}

/** Waits until the server has none of these sessions any more. */
export async function expectGone(pids: number[]): Promise<void> {
  await expect.poll(() => sessionsAlive(pids)).toEqual([])
}
