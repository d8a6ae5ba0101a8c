// What is written into a snapshot: pools in every state they may be in when the builder has nothing more to do.
import {
  type BasePoolOptions,
  createForkSafePool,
  type Lease,
  type PoolEvents,
} from '@forksafe/core'
import { type PgConnection, pgDriver } from '@forksafe/driver-pg'
import { createRequire } from 'node:module'
import { queryObjects, startupSnapshot } from 'node:v8'
import { Client } from 'pg'
import type { ForkKit } from './fork-kit.ts'
import { begin, type Outcome, type PgPool } from './under-way.ts'

type Change = PoolEvents['processChange'][0]

/** What the pools told, in the builder and since. */
const changes: Record<string, Change[]> = {}
const MIN = 3

function open(name: string, options: BasePoolOptions = {}): PgPool {
  const pool = createForkSafePool(pgDriver, { name, connection, ...options })
  const told: Change[] = (changes[name] = [])
  pool.on('processChange', (change) => told.push(change))
  return pool
}

/** Asked before each connect: of the process as it is then. */
function connection(): PgConnection {
  const server = JSON.parse(process.env['SERVER'] ?? '{}') as object
  return { ...server, application_name: process.env['APPLICATION'] }
}

async function pidOf(on: PgPool | Client): Promise<number> {
  const text = 'SELECT pg_backend_pid() AS pid'
  const { rows } = await (on instanceof Client ? on.query(text) : on.query(text))
  return (rows as [{ pid: number }])[0].pid
}

function attempt(run: () => unknown): string {
  try {
    run()
    return 'nothing thrown'
  } catch (error) {
    return (error as Error).name
  }
}

const warm = open('warm', { min: MIN, max: 6 })
const unused = open('unused')
const lending = open('lending')
const endless = open('endless')
const timing = open('timing', { keepaliveMillis: 30_000, leakDetectionMillis: 30_000 })
const built = {
  warm: 0,
  lent: 0,
  transaction: 0,
  closed: false,
  inMemory: { timers: 0, clients: 0 },
}
let underWay: Outcome | undefined
let lent: Lease<Client> | undefined
let transaction: Lease<Client> | undefined

async function build(): Promise<void> {
  await warm.warmUp()
  built.warm = await pidOf(warm)
  lent = await lending.acquire()
  built.lent = await pidOf(lent.resource)
  transaction = await lending.acquire()
  built.transaction = await pidOf(transaction.resource)
  await transaction.resource.query('BEGIN')
  await transaction.resource.query(`INSERT INTO ${process.env['TABLE']} VALUES ('the builder')`)
  const [one] = await Promise.all([timing.acquire(), timing.acquire()])
  one.release()
  // Node 22 cannot write what an abort leaves behind: nothing of it may be left.
  const aborter = new AbortController()
  const aborted = endless.acquire({ signal: aborter.signal }).catch(() => undefined)
  aborter.abort()
  await aborted
  await endless.acquire()
  void endless.close({ deadlineMillis: Infinity }).then(() => (built.closed = true))
  built.inMemory = inMemory()
}

/** How many timers and clients there are, in use or not. */
function inMemory(): { timers: number; clients: number } {
  const own = setTimeout(() => undefined)
  clearTimeout(own)
  return {
    timers: queryObjects(own.constructor, { format: 'count' }) - 1,
    clients: queryObjects(Client, { format: 'count' }),
  }
}

/** What a process that was started from the snapshot is asked. */
const questions = {
  /** Everything that is to be known before a pool is used. */
  state: () => ({
    built,
    changes,
    stats: warm.stats,
    inMemory: inMemory(),
  }),

  underWay: () => underWay,

  sessions: async () => {
    const before = { ...warm.stats }
    let mostOpening = 0
    warm.on('create', () => (mostOpening = Math.max(mostOpening, warm.stats.creating)))
    const used = warm.acquire()
    const opening = warm.stats.creating
    const lease = await used
    const own = [await pidOf(lease.resource)]
    lease.release()
    await warm.warmUp()
    const all = await Promise.all(Array.from({ length: MIN }, () => warm.acquire()))
    for (const { resource } of all) own.push(await pidOf(resource))
    for (const one of all) one.release()
    return { before, opening, mostOpening, own: [...new Set(own)], changes: changes['warm'] }
  },

  leases: async () => ({
    lent: attempt(() => lent?.resource),
    transaction: attempt(() => transaction?.resource),
    released: [attempt(() => lent?.release()), attempt(() => lent?.release())],
    destroyed: attempt(() => transaction?.destroy()),
    borrowed: lending.stats.borrowed,
    own: await pidOf(lending),
  }),

  unused: () => pidOf(unused),

  closed: () =>
    endless.acquire().then(
      () => 'lent',
      (error: Error) => error.name,
    ),

  encrypted: async () => {
    const text = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
    return (await warm.query(text)).rows
  },

  forks: async () => {
    const path = process.env['FORK_KIT'] ?? ''
    const { inChild } = createRequire(path)(path) as ForkKit
    const answer = async () => ({ pid: await pidOf(unused), changes: changes['unused'] })
    return {
      parent: await pidOf(unused),
      children: [await inChild(answer), await inChild(answer, { afterFork: false })],
      parentAgain: await pidOf(unused),
      identity: unused.stats.identity,
    }
  },
}
export type Question = keyof typeof questions
export type Answers = { [Q in Question]: Awaited<ReturnType<(typeof questions)[Q]>> }

startupSnapshot.setDeserializeMainFunction(async () => {
  for (const question of (process.env['QUESTIONS'] ?? '').split(',') as Question[]) {
    console.log(JSON.stringify(await questions[question]()))
  }
  // Whoever asked has seen enough; until then nothing of this process goes.
  for await (const _ of process.stdin);
  process.exit()
})
const { UNDER_WAY } = process.env
if (UNDER_WAY === undefined) void build()
else void begin(UNDER_WAY, open).then((outcome) => (underWay = outcome))
