import { defineDriver } from '@forksafe/core'
import { type LineAddress, LineClient } from './client.ts'

export type { LineAddress, LineClient } from './client.ts'

/** The service refused the password. */
export class DeniedError extends Error {
  override readonly name = 'DeniedError'
}

export const lineDriver = defineDriver({
  name: 'lines',
  async create(address: LineAddress, { signal }) {
    signal.throwIfAborted()
    const client = new LineClient(address)
    signal.addEventListener('abort', () => client.socket.destroy())
    try {
      const answer = await client.ask(`login ${address.password}`)
      if (answer !== 'ok') throw new DeniedError(answer)
      return client
    } catch (error) {
      client.socket.destroy()
      throw error
    }
  },
  validate: async (client) => (await client.ask('echo 1')) === '1',
  reset: async (client) => void (await client.ask('reset')),
  destroy: (client) => client.quit(),
  discard: (client) => void client.socket.destroy(),
  watch: (client, lost) => void client.ended.then(lost),
  ref: (client) => void client.socket.ref(),
  unref: (client) => void client.socket.unref(),
  classify: (error) => (error instanceof DeniedError ? 'fatal' : 'transient'),
  methods: (pool) => ({
    ask: (line: string) => pool.use((client) => client.ask(line)),
  }),
})
