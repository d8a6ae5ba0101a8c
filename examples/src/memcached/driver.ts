import { defineDriver } from '@forksafe/core'
import { type MemcachedAddress, MemcachedClient } from './client.ts'

export const memcachedDriver = defineDriver({
  name: 'memcached',
  async create(address: MemcachedAddress, { signal }) {
    signal.throwIfAborted()
    const client = new MemcachedClient(address)
    signal.addEventListener('abort', () => client.socket.destroy())
    try {
      await client.version() // A full server accepts the connection, sends an error and closes.
      return client
    } catch (error) {
      client.socket.destroy()
      throw error
    }
  },
  validate: async (client) => (await client.version()).startsWith('VERSION'),
  destroy: (client) => client.quit(),
  discard: (client) => void client.socket.destroy(),
  watch: (client, lost) => void client.ended.then(lost),
  ref: (client) => void client.socket.ref(),
  unref: (client) => void client.socket.unref(),
  classify(error) {
    if (/too many open connections/i.test(String(error))) return 'full'
    return /certificate/i.test(String(error)) ? 'fatal' : 'transient'
  },
  methods: (pool) => ({
    get: (key: string) => pool.use((client) => client.get(key)),
    set: (key: string, value: string, seconds?: number) =>
      pool.use((client) => client.set(key, value, seconds)),
  }),
})
