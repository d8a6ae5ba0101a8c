import { lineDriver, sharingLineDriver } from '../support/line-driver.ts'
import type { Broken } from './broken.ts'

const { share } = sharingLineDriver

/** Drivers with a broken `share`, or with a hook that breaks it. */
export const brokenSharing: Readonly<Record<string, Broken>> = {
  'answers go to the request that was sent last': {
    driver: {
      share: {
        ...share,
        begin(client) {
          share.begin(client)
          client.waiting.shift = () => client.waiting.pop()
        },
        end(client) {
          share.end(client)
          delete (client.waiting as { shift?: unknown }).shift
        },
      },
    },
    fail: /^share: /,
    saying: /Expected the server to answer "process-0-request-\d+", got "/,
  },
  'nothing is sent behind another request': {
    driver: { share: { ...share, full: () => true } },
    fail: /^share: requests are sent before/,
    saying: /a request behind another one to ask the server, but nothing was written/,
  },
  'end leaves the resource in the state for sharing': {
    driver: { share: { ...share, end: () => undefined } },
    fail: /^share: after/,
    saying: /Expected the answer to `echo` to settle/,
  },
  'nobody hears of the end of a connection': {
    driver: {
      share,
      async create(connection, context) {
        const client = await lineDriver.create(connection, context)
        client.socket.removeAllListeners('close')
        return client
      },
      watch: () => undefined,
    },
    fail: /^share: the end/,
    saying: /Expected the requests in flight to settle/,
  },
  'discard sends what is corked': {
    driver: {
      share,
      discard({ socket }) {
        socket.uncork()
        socket.destroy()
      },
    },
    fail: /^a fork in the tick/,
    saying: /Expected the server to answer "process-0-request-\d+", got "process-0/,
    forked: true,
  },
}
