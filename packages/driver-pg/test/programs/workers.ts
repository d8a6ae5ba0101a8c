import { afterRestore, createForkSafePool, type PoolStats } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { type EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { ClientConfig } from 'pg'

// A program that has a pool, and starts two copies of itself which have one each.

export type Kind = 'cluster' | 'child_process.fork' | 'worker_threads'
export interface Settings {
  kind: Kind
  connection: ClientConfig
}
/** What one of the three knows of its pool. */
export interface Report {
  sessions: number[]
  identity: PoolStats['identity'] | undefined
  generation: number
  changes: number
}
/** What the program tells: of itself first. */
export interface Reports {
  atFirst: Report[]
  atLast: Report[]
}

const settings = (isMainThread ? JSON.parse(process.argv[2] ?? '') : workerData) as Settings
const pool = createForkSafePool(pgDriver, { connection: settings.connection, max: 2 })
let changes = 0
pool.on('processChange', () => changes++)

async function report(): Promise<Report> {
  const leases = await Promise.all([pool.acquire(), pool.acquire()])
  const text = 'SELECT pg_backend_pid() AS pid'
  const answers = await Promise.all(
    leases.map(({ resource }) => resource.query<{ pid: number }>(text)),
  )
  for (const lease of leases) lease.release()
  const { identity, generation } = pool.stats
  const sessions = answers.flatMap(({ rows }) => rows.map(({ pid }) => pid))
  return { sessions: sessions.sort((a, b) => a - b), identity, generation, changes }
}

type Copy = EventEmitter & { ask(): void }

function start(): Copy {
  if (settings.kind === 'cluster') {
    const worker = cluster.fork()
    return Object.assign(worker, { ask: () => void worker.send('report') })
  }
  const file = fileURLToPath(import.meta.url)
  if (settings.kind === 'worker_threads') {
    const worker = new Worker(file, { workerData: settings })
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    return Object.assign(worker, { ask: () => worker.postMessage('report') })
  }
  const child = fork(file, [JSON.stringify(settings), 'copy'])
  return Object.assign(child, { ask: () => void child.send('report') })
}

async function reports(copies: Copy[]): Promise<Report[]> {
  const told = copies.map((copy) => once(copy, 'message') as Promise<[Report]>)
  for (const copy of copies) copy.ask()
  const others = await Promise.all(told)
  return [await report(), ...others.map(([other]) => other)]
}

async function lead(): Promise<void> {
  await report()
  if (settings.kind === 'cluster') cluster.setupPrimary({ args: process.argv.slice(2) })
  const copies = [start(), start()]
  // Each says so when it listens.
  await Promise.all(copies.map((copy) => once(copy, 'message')))
  const atFirst = await reports(copies)
  // A hook reaches the pools of its own process and thread.
  afterRestore()
  process.send?.({ atFirst, atLast: await reports(copies) } satisfies Reports)
}

function follow(
  port: { on(event: 'message', heard: () => void): unknown },
  tell: (what: unknown) => void,
): void {
  port.on('message', () => void report().then(tell))
  tell('ready')
}

if (parentPort !== null) {
  const port = parentPort
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  follow(port, (what) => port.postMessage(what))
} else if (cluster.isWorker || process.argv[3] === 'copy') {
  follow(process, (what) => process.send?.(what))
} else void lead()
// Whoever started it is gone, or has seen enough.
if (isMainThread) process.on('disconnect', () => process.exit())
