import { createForkSafePool, type Driver, type PoolOptions } from '@forksafe/core'
import forksafeGenericPool from '@forksafe/core/generic-pool'
import { Pool as DropIn } from '@forksafe/driver-pg'
import genericPool from 'generic-pool'
import { Pool as PgPool } from 'pg'
import { Pool as TarnPool } from 'tarn'
import { InstantPgClient } from './instant-client.ts'

/** The event that rejects all callers: their timeout, the pool's close, or a create error. */
export type StormKind = 'timeout' | 'close' | 'createError'

/** A pool without a free resource, so that callers must wait. */
export interface Storm {
  acquire(): Promise<unknown>
  /** Rejects the callers. Not needed for a timeout. */
  begin(): void
  /** Closes the pool. */
  end(): Promise<unknown>
}

type Open = () => Promise<Storm>

/** A timeout that is long enough for all callers to start waiting. */
const TIMEOUT_MILLIS = 500

const plain: Driver<object> = {
  name: 'bench',
  create: async () => ({}),
  destroy: () => undefined,
  discard: () => undefined,
}

const coreTimeout: Open = async () => {
  const pool = openCore(plain, { acquireTimeoutMillis: TIMEOUT_MILLIS })
  const lease = await pool.acquire()
  return {
    acquire: () => pool.acquire(),
    begin: () => undefined,
    end() {
      lease.release()
      return pool.close()
    },
  }
}

const coreClose: Open = async () => {
  const pool = openCore(plain)
  await pool.acquire()
  return {
    acquire: () => pool.acquire(),
    begin: () => void pool.close({ deadlineMillis: 0 }),
    end: () => pool.close(),
  }
}

const coreCreateError: Open = async () => {
  let fail = (): void => undefined
  const create = (): Promise<object> =>
    new Promise((_, reject) => (fail = () => reject(new Error('The password is wrong.'))))
  const pool = openCore({ ...plain, create, classify: () => 'fatal' })
  return { acquire: () => pool.acquire(), begin: () => fail(), end: () => pool.close() }
}

function openCore(driver: Driver<object>, options: Partial<PoolOptions<void>> = {}) {
  return createForkSafePool(driver, { ...options, connection: undefined, max: 1 })
}

function genericPoolTimeout({ createPool }: Pick<typeof genericPool, 'createPool'>): Open {
  return async () => {
    const factory = { create: async () => ({}), destroy: async () => undefined }
    const pool = createPool(factory, { max: 1, acquireTimeoutMillis: TIMEOUT_MILLIS })
    const held = await pool.acquire()
    return {
      acquire: () => pool.acquire(),
      begin: () => undefined,
      async end() {
        await pool.release(held)
        await pool.drain()
        await pool.clear()
      },
    }
  }
}

function pgPoolTimeout(Pool: typeof PgPool): Open {
  return async () => {
    const connectionTimeoutMillis = TIMEOUT_MILLIS
    const pool = new Pool({ Client: InstantPgClient, max: 1, connectionTimeoutMillis })
    const held = await pool.connect()
    return {
      acquire: () => pool.connect(),
      begin: () => undefined,
      end() {
        held.release()
        return pool.end()
      },
    }
  }
}

const tarnTimeout: Open = async () => {
  const pool = openTarn({ acquireTimeoutMillis: TIMEOUT_MILLIS })
  const held = await pool.acquire().promise
  return {
    acquire: () => pool.acquire().promise,
    begin: () => undefined,
    end() {
      pool.release(held)
      return pool.destroy()
    },
  }
}

const tarnClose: Open = async () => {
  const pool = openTarn()
  const held = await pool.acquire().promise
  let closed: Promise<unknown> = Promise.resolve()
  return {
    acquire: () => pool.acquire().promise,
    begin() {
      // tarn waits for the holder before it rejects the waiting callers.
      closed = pool.destroy()
      pool.release(held)
    },
    end: () => closed,
  }
}

function openTarn(options: { acquireTimeoutMillis?: number } = {}): TarnPool<object> {
  const factory = { create: async () => ({}), destroy: () => undefined }
  return new TarnPool<object>({ ...options, ...factory, min: 0, max: 1 })
}

/** The pools for each kind of storm. The other pools let callers wait, or reject them one by one. */
export const storms = {
  timeout: {
    core: coreTimeout,
    'generic-pool drop-in': genericPoolTimeout(forksafeGenericPool),
    'pg drop-in': pgPoolTimeout(DropIn),
    'generic-pool': genericPoolTimeout(genericPool),
    'pg.Pool': pgPoolTimeout(PgPool),
    tarn: tarnTimeout,
  },
  close: { core: coreClose, tarn: tarnClose },
  createError: { core: coreCreateError },
} satisfies Record<StormKind, Record<string, Open>>

export function openStorm(kind: StormKind, peer: string): Promise<Storm> {
  const open = (storms[kind] as Readonly<Record<string, Open>>)[peer]
  if (open === undefined) throw new Error(`${peer} has no such storm: ${kind}.`)
  return open()
}
