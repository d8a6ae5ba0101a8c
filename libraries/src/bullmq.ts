import { createForkSafePool } from '@forksafe/core'
import { redisDriver } from '@forksafe/driver-redis'
import { type Job, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const url = process.env['REDIS_URL'] ?? ''

/** For all else: transactions, WATCH, commands that block. */
export const pool = createForkSafePool(redisDriver, { connection: url })

/** BullMQ's own connections live as long as it does: they reconnect by themselves, and a command waits for that. */
function connect(): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: null })
  redis.on('error', (error) => console.error(error.message))
  return redis
}

/** A queue with a connection of its own. Call it again in a forked child: the parent's is not to be used there. */
export function openQueue(name: string) {
  const connection = connect()
  const queue = new Queue(name, { connection })
  const close = async (): Promise<void> => {
    await queue.close()
    await connection.quit()
  }
  return { queue, connection, close }
}

/** A worker with a connection of its own; BullMQ makes another of it, to block on. */
export function openWorker(name: string, work: (job: Job) => Promise<unknown>) {
  const connection = connect()
  const worker = new Worker(name, work, { connection })
  const close = async (): Promise<void> => {
    await worker.close()
    await connection.quit()
  }
  return { worker, connection, close }
}

/** In a forked child, first thing: closes the child's copy of the socket. The parent's connection goes on. */
export function letGo(redis: Redis): void {
  redis.stream.destroy()
  redis.disconnect()
}
