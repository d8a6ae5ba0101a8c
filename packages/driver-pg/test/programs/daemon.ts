import { createForkSafePool, type PoolStats } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { fork } from '@forksafe/testkit'
import { existsSync, readlinkSync, writeFileSync, writeSync } from 'node:fs'
import Module from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, ClientConfig } from 'pg'

export interface DaemonSettings {
  /** Forks twice, or until a child of its child has its own pid again. */
  readonly kind: 'forks twice' | 'has its pid reused'
  readonly connection: ClientConfig
  /** Whether core finds koffi. */
  readonly koffi: boolean
  /** It goes on when there is a file of that name and `.1`, and then of that name and `.2`. */
  readonly signal: string
}

/** What a process of the program prints about itself. */
export interface DaemonReport {
  readonly pid: number
  readonly ppid: number
  readonly identity: PoolStats['identity'] | undefined
  readonly generation: number
  /** Not told where the connection is another process's: nothing is to be written there. */
  readonly session: number | undefined
}

const settings = JSON.parse(process.argv[2] ?? '') as DaemonSettings

if (!settings.koffi) {
  // The testkit has it by now.
  const loader = Module as unknown as { _load: (name: string, ...rest: unknown[]) => unknown }
  const load = loader._load
  loader._load = (name, ...rest) => {
    if (name === 'koffi') throw new Error('koffi is not installed.')
    return load(name, ...rest)
  }
}

const pool = createForkSafePool(pgDriver, { connection: settings.connection, max: 1 })
const unhooked = { afterFork: false, outlivesParent: true }
const pid = livePid()

await report(1)
await signalled(1)
if (settings.kind === 'forks twice') await forkTwice()
else await beReused()

/** As a daemon is made: the process in between ends, and init adopts the one below. */
async function forkTwice(): Promise<void> {
  const middle = await fork(async () => {
    const daemon = await fork(async () => {
      await adopted()
      await report()
    }, unhooked)
    return daemon.pid
  }, unhooked)
  await middle.result
  await signalled(2)
  await report(1)
  await pool.close()
}

/** This process ends. Its child, which has never used the pool, has one with the same pid. */
async function beReused(): Promise<void> {
  await fork(async () => {
    await adopted()
    while (existsSync(`/proc/${pid}`)) await sleep(5)
    let reused = false
    while (!reused) {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1))
      const child = await fork(async () => {
        // A thread may have come in between.
        if (livePid() !== pid) return false
        await report()
        return true
      }, unhooked)
      reused = await child.result
    }
  }, unhooked)
  process.exit()
}

/** Tells of this process, and of the connection that the pool lends it: its own from generation `own` on. */
async function report(own = 2): Promise<void> {
  const lease = await pool.acquire()
  const told: DaemonReport = {
    pid: livePid(),
    ppid: process.ppid,
    identity: pool.stats.identity,
    generation: lease.generation,
    session: lease.generation < own ? undefined : await sessionOf(lease.resource),
  }
  lease.release()
  writeSync(1, `${JSON.stringify(told)}\n`)
}

async function sessionOf(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid
}

async function adopted(): Promise<void> {
  while (process.ppid !== 1) await sleep(5)
}

async function signalled(time: number): Promise<void> {
  while (!existsSync(`${settings.signal}.${time}`)) await sleep(5)
}

/** `process.pid` is what it was before the fork. */
function livePid(): number {
  return Number(readlinkSync('/proc/self'))
}
