import { inChild, type ProxyRecord, type RecordingProxy } from '@forksafe/testkit'
import type { Redis } from 'ioredis'
import { readdirSync, readlinkSync } from 'node:fs'
import { expect } from 'vitest'
import type { RedisPool } from '../../src/index.ts'
import { idOf } from './pools.ts'

/** How a child finds out: it calls `afterFork()`, or it calls nothing and looks at its next use. */
export type Notice = 'hooked' | 'unhooked'

/** A pool behind a recording proxy. */
export interface Watched {
  readonly pool: RedisPool
  readonly proxy: RecordingProxy
}

/** What a child does. */
export interface ChildsPart<T> {
  /** The parent's clients whose sockets it must have let go of. */
  readonly clients?: Redis[]
  /** How many connections it opens there. Default 1. */
  readonly opened?: number
  /** How long it waits for a connection of its own, in milliseconds. */
  readonly timeoutMillis?: number
  /** What else to find out there, after the first use. */
  readonly look?: () => T | Promise<T>
}

/** What a child saw. */
export interface Seen<T> {
  /** The descriptors of the parent's sockets that are open: first thing, and right after the first use. */
  readonly heldAtFirst: number
  readonly heldAfterUse: number
  /** The server's number of the connection that it was lent, or the name of the error it got instead. */
  readonly id: number | string
  readonly found: T
}

/**
 * Forks a child that notices, uses the pool and looks around. Makes sure that it let go of all that it inherited, at once
 * or at its first use; that it opened connections of its own and no other; and that nothing came from it on the
 * parent's. The parent must write nothing meanwhile.
 */
export async function expectSilentChild<T = undefined>(
  { pool, proxy }: Watched,
  notice: Notice,
  { clients = [], opened = 1, timeoutMillis, look }: ChildsPart<T> = {},
): Promise<Seen<T>> {
  const names = clients.map(socketName)
  const mark = await proxy.mark()
  const seen = await inChild(
    async (): Promise<Seen<T>> => {
      const heldAtFirst = countHeld(names)
      const acquired = pool.acquire({ timeoutMillis })
      const heldAfterUse = countHeld(names)
      const id = await acquired.then(
        async (lease) => {
          const id = await idOf(lease.resource)
          lease.release()
          return id
        },
        (error: Error) => error.name,
      )
      return { heldAtFirst, heldAfterUse, id, found: (await look?.()) as T }
    },
    { afterFork: notice === 'hooked' },
  )
  expect(seen).toMatchObject({
    heldAtFirst: notice === 'hooked' ? 0 : names.length,
    heldAfterUse: 0,
  })
  expect(fromClient(await proxy.records({ since: mark, openedBefore: mark }))).toEqual([])
  const own = (await proxy.records({ since: mark })).filter(({ kind }) => kind === 'open')
  expect(own).toHaveLength(opened)
  expect(countHeld(names)).toBe(names.length)
  return seen
}

/** Makes sure that meanwhile nothing came on connections that were open before. */
export async function expectSilentOn<T>(proxy: RecordingProxy, work: () => Promise<T>): Promise<T> {
  const mark = await proxy.mark()
  const result = await work()
  expect(fromClient(await proxy.records({ since: mark, openedBefore: mark }))).toEqual([])
  return result
}

/** Waits until a client has written since. */
export async function expectWritten(proxy: RecordingProxy, mark: number): Promise<void> {
  await expect
    .poll(async () => fromClient(await proxy.records({ since: mark })).length, { interval: 5 })
    .toBeGreaterThan(0)
}

/** What a promise settles with: its copy in a child may reject. */
export function outcomeOf<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: Error) => error)
}

/** The name of what a promise rejects with, or that it did not. */
export function fateOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: Error) => error.name,
  )
}

/** Everything but what the server sends: bytes, FINs, RSTs. */
export function fromClient(records: ProxyRecord[]): ProxyRecord[] {
  return records.filter((record) => record.kind !== 'data' || record.direction === 'fromClient')
}

interface Handled {
  readonly _handle: { readonly fd: number }
  /** The bare socket under TLS. */
  readonly _parent?: Handled | null
}

/** The kernel's name of a client's socket: its copy in a child has the same. */
function socketName({ stream }: Redis): string {
  const handled = stream as unknown as Handled
  return readlinkSync(`/proc/self/fd/${(handled._parent ?? handled)._handle.fd}`)
}

/** How many of these sockets this process has a descriptor of. */
function countHeld(names: readonly string[]): number {
  const held = new Set(readdirSync('/proc/self/fd').map(linkOf))
  return names.filter((name) => held.has(name)).length
}

function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined // The descriptor that listed the folder.
  }
}
