import { createForkSafePool } from '@forksafe/core'
import { redisDriver } from '@forksafe/driver-redis'
import { type Job, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const url = process.env['REDIS_URL'] ?? ''

/** The pool for everything else: transactions, WATCH, blocking commands. */
export const pool = createForkSafePool(redisDriver, { connection: url })

/** The options of BullMQ's own connections. They are permanent and reconnect by themselves, and commands wait for that. */
function connect(): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: null })
  redis.on('error', (error) => console.error(error.message))
  return redis
}

/** Creates a queue with its own connection. Call it again in a forked child, which must not use the parent's queue. */
export function openQueue(name: string) {
  const connection = connect()
  const queue = new Queue(name, { connection })
  const close = async (): Promise<void> => {
    await queue.close()
    await connection.quit()
  }
  return { queue, connection, close }
}

/** Creates a worker with its own connection. BullMQ duplicates it for blocking commands. */
export function openWorker(name: string, work: (job: Job) => Promise<unknown>) {
  const connection = connect()
  const worker = new Worker(name, work, { connection })
  const close = async (): Promise<void> => {
    await worker.close()
    await connection.quit()
  }
  return { worker, connection, close }
}

/** Closes a forked child's copy of the socket. Call it first in the child. The parent's connection remains open. */
export function letGo(redis: Redis): void {
  redis.stream.destroy()
  redis.disconnect()
}
