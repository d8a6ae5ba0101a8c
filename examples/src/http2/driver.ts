import { defineDriver } from '@forksafe/core'
import { isCertificateError, openUntilAborted } from '@forksafe/core/methods'
import { type Http2Address, Http2Client, type Http2Request } from './client.ts'

export const http2Driver = defineDriver({
  name: 'http2',
  async create(address: Http2Address, { signal }) {
    signal.throwIfAborted()
    const client = new Http2Client(address)
    const letGo = (): void => client.letGo()
    return openUntilAborted(signal, letGo, async () => {
      await client.ready
      return client
    })
  },
  validate: (client) => client.ping(),
  isUsable: (client) => client.usable,
  reset: (client) => client.cancelAll(),
  destroy: (client) => client.close(),
  discard: (client) => client.letGo(),
  watch(client, lost, retire) {
    client.onGoaway = retire // The server takes no new requests on this session, but answers those in flight.
    void client.ended.then(lost)
  },
  ref: (client) => void client.socket.ref(),
  unref: (client) => void client.socket.unref(),
  classify: (error) => (isCertificateError(error) ? 'fatal' : 'transient'),
  share: {
    maxInFlight: 100,
    begin: () => undefined, // A session always takes many requests at once.
    end: () => undefined,
    full: (client) => client.full,
  },
  methods: (pool) => ({
    request: (request: Http2Request) => pool.share((client) => client.request(request)),
  }),
})
