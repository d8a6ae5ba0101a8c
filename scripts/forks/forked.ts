import type { ForkSafePool } from '@forksafe/core'
import { inChild, type ProxyRecord, type RecordingProxy } from '@forksafe/testkit'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { expect } from 'vitest'

// For the fork tests of our drivers: a child that uses an inherited pool, and the check that it discarded all resources.

/** How a child notices the fork: by a call of `afterFork()`, or at its next use of the pool. */
export type Notice = 'hooked' | 'unhooked'

/** A pool behind a recording proxy. */
export interface Watched<R extends object> {
  readonly pool: ForkSafePool<R>
  readonly proxy: RecordingProxy
}

/** The actions of a child. */
export interface ChildsPart<T> {
  /** Uses the pool for the first time, synchronously, before the child acquires. */
  readonly use?: () => void
  /** The time that it waits for its own session, in milliseconds. */
  readonly timeoutMillis?: number
  /** Collects further findings in the child, after the first use. */
  readonly look?: () => T | Promise<T>
  /** The number of its own connections that it opens. Default 1. */
  readonly opens?: number
}

/** The findings of a child. */
export interface Seen<S, T> {
  /** The number of inherited sockets that were open: at the start, and right after the first use. */
  readonly heldAtFirst: number
  readonly heldAfterUse: number
  readonly generation: number
  /** The server's name of the session that it acquired, or the name of the error that it got instead. */
  readonly session: S | string
  readonly found: T
}

/** The expectations of a child, if the parent writes nothing until the child has exited. */
export interface Expectation {
  of<S, T>(seen: Seen<S, T>): Promise<Seen<S, T>>
}

/**
 * Forks a child that notices the fork, uses the pool and reports its findings. Await it at once: it forks at this point of the code.
 * `names` are the sockets that the child inherits. `sessionOf` asks the server for the session of a resource.
 */
export function forkInto<R extends object, S, T>(
  { pool }: Watched<R>,
  notice: Notice,
  names: readonly string[],
  sessionOf: (resource: R) => Promise<S>,
  { use, look, timeoutMillis }: ChildsPart<T> = {},
): Promise<Seen<S, T>> {
  return inChild(
    async () => {
      const heldAtFirst = countHeld(names)
      use?.()
      const acquired = pool.acquire({ timeoutMillis })
      const heldAfterUse = countHeld(names)
      const session = await acquired.then(
        async (lease) => {
          const session = await sessionOf(lease.resource)
          lease.release()
          return session
        },
        (error: Error) => error.name,
      )
      const { generation } = pool.stats
      return { heldAtFirst, heldAfterUse, generation, session, found: (await look?.()) as T }
    },
    { afterFork: notice === 'hooked' },
  )
}

/**
 * Expects that a child forked after this call discards the inherited sockets, at once or at its first use, that it
 * opens its own connections, and that it sends nothing on the parent's.
 */
export async function expectation<R extends object>(
  { pool, proxy }: Watched<R>,
  notice: Notice,
  names: readonly string[],
  opens = 1,
): Promise<Expectation> {
  const mark = await proxy.mark()
  const { generation } = pool.stats
  return {
    async of(seen) {
      expect(seen).toMatchObject({
        heldAtFirst: notice === 'hooked' ? 0 : names.length,
        heldAfterUse: 0,
        generation: generation + 1,
      })
      const records = await proxy.records({ since: mark })
      const opened = new Set(
        records.filter(({ kind }) => kind === 'open').map(({ connection }) => connection),
      )
      expect(opened.size).toBe(opens)
      const inherited = records.filter(({ connection }) => !opened.has(connection))
      expect(fromClient(inherited)).toEqual([])
      // The parent is unaffected.
      expect(pool.stats.generation).toBe(generation)
      expect(countHeld(names)).toBe(names.length)
      return seen
    },
  }
}

/** Waits until the proxy has no other open connections. Those of the previous test may close late. */
export async function expectOpen(proxy: RecordingProxy, names: readonly string[]): Promise<void> {
  await expect
    .poll(async () => (await proxy.connections()).filter(({ open }) => open).length)
    .toBeLessThanOrEqual(names.length)
}

/** Waits until a client has written since the mark. */
export async function expectWritten(proxy: RecordingProxy, mark: number): Promise<void> {
  await expect
    .poll(async () => fromClient(await proxy.records({ since: mark })).length, { interval: 5 })
    .toBeGreaterThan(0)
}

/** Returns the records of bytes, FINs and RSTs, except those from the server. */
export function fromClient(records: readonly ProxyRecord[]): ProxyRecord[] {
  return records.filter((record) => record.kind !== 'data' || record.direction === 'fromClient')
}

/** Returns the number of the connection that was opened last, to inject a fault into it. */
export async function newest(proxy: RecordingProxy): Promise<number> {
  const { id } = (await proxy.connections()).at(-1) ?? { id: 0 }
  return id
}

/** Returns the name of the error that a promise rejects with, or `resolved`. */
export function fateOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: Error) => error.name,
  )
}

interface Handled {
  readonly _handle?: { readonly fd: number } | null
  /** The bare socket under TLS. */
  readonly _parent?: Handled | null
}

/** Returns the kernel's names of these sockets, if they are open. Copies in a child have the same names. */
export function namesOf(sockets: readonly (object | undefined)[]): string[] {
  return sockets.flatMap((socket: Handled = {}) => {
    const { fd = -1 } = (socket._parent ?? socket)._handle ?? {}
    return fd >= 0 ? [readlinkSync(`/proc/self/fd/${fd}`)] : []
  })
}

/** Returns the number of these sockets that this process has open. */
export function countHeld(names: readonly string[]): number {
  const held = new Set(readdirSync('/proc/self/fd').map(linkOf))
  return names.filter((name) => held.has(name)).length
}

function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined // This is the descriptor that listed the folder.
  }
}

/** Returns the state letter that `ps` shows, or `undefined` if there is no such process. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2]
  } catch {
    return undefined
  }
}

/** Returns whether the process runs. A zombie does not. */
export function isRunning(pid: number): boolean {
  return ![undefined, 'Z', 'X'].includes(stateOf(pid))
}

/** Blocks this process until its child has ended. Nothing is read meanwhile from what both have open. */
export function blockUntilEnded(pid: number): void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  while (stateOf(pid) !== 'Z') Atomics.wait(never, 0, 0, 5)
}
