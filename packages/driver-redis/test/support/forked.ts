import { forkInto, expectation, fromClient, namesOf, type Notice } from '@forksafe/scripts/forked'
import type { ChildsPart as Part, Seen as SharedSeen } from '@forksafe/scripts/forked'
import type { RecordingProxy } from '@forksafe/testkit'
import type { Redis } from 'ioredis'
import { expect } from 'vitest'
import type { RedisPool } from '../../src/index.ts'
import { idOf } from './pools.ts'

export { expectWritten, fateOf, fromClient } from '@forksafe/scripts/forked'
export type { Notice }

/** A pool behind a recording proxy. */
export interface Watched {
  readonly pool: RedisPool
  readonly proxy: RecordingProxy
}

/** What a child does. */
export interface ChildsPart<T> extends Part<T> {
  /** The parent's clients whose sockets it must have let go of. */
  readonly clients?: Redis[]
}

/** A child as its parent sees it. */
export interface Seen<T> extends SharedSeen<number, T> {
  /** The server's number of the connection that it was lent, or the name of the error it got instead. */
  readonly id: number | string
}

/**
 * Forks a child that notices, uses the pool and looks around. Expects that it let go of all that it inherited, at once or at
 * its first use; that it opened connections of its own and no other; and that nothing came from it on the parent's. The parent
 * must write nothing meanwhile.
 */
export async function expectSilentChild<T = undefined>(
  watched: Watched,
  notice: Notice,
  { clients = [], ...part }: ChildsPart<T> = {},
): Promise<Seen<T>> {
  const names = namesOf(clients.map(({ stream }) => stream))
  const expected = await expectation(watched, notice, names, part.opens)
  const seen = await expected.of(await forkInto(watched, notice, names, idOf, part))
  return { ...seen, id: seen.session }
}

/** Expects that meanwhile nothing comes on connections that were open before. */
export async function expectSilentOn<T>(proxy: RecordingProxy, work: () => Promise<T>): Promise<T> {
  const mark = await proxy.mark()
  const result = await work()
  expect(fromClient(await proxy.records({ since: mark, openedBefore: mark }))).toEqual([])
  return result
}

/** What a promise settles with: its copy in a child may reject. */
export function outcomeOf<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: Error) => error)
}
