import { localCertificate } from '@forksafe/scripts/certificates'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Http2Client } from '../../src/http2/client.ts'

interface Http2Server {
  readonly host: string
  readonly port: number
  /** The PEM certificate that vouches for the server, with TLS. */
  readonly ca: string | undefined
  stop(): Promise<void>
}

/** Starts an HTTP/2 server on a free port of 127.0.0.1. */
export async function startHttp2({ tls = false } = {}): Promise<Http2Server> {
  const certificate = tls ? await localCertificate() : undefined
  const script = fileURLToPath(new URL('http2-server.mjs', import.meta.url))
  const server = spawn(process.execPath, [script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { CERT: certificate?.cert, KEY: certificate?.key },
  })
  const exited = once(server, 'exit')
  const [port] = (await once(server.stdout, 'data')) as [Buffer]
  return {
    host: '127.0.0.1',
    port: Number(port.toString()),
    ca: certificate?.ca,
    async stop() {
      server.kill()
      await exited
    },
  }
}

/** The options of the conformance suite that do not depend on the transport. */
export const http2Suite = {
  echo: async (client: Http2Client, text: string) =>
    (await client.request({ path: `/echo/${text}` })).body,
  session: {
    leave(client: Http2Client) {
      client.request({ path: '/hang' }).catch(() => undefined)
    },
    left: async (client: Http2Client) => (await client.request({ path: '/open' })).body !== '0',
  },
  async kill(client: Http2Client) {
    await client.request({ path: '/kill' }).catch(() => undefined)
    await client.ended
  },
  async announce(client: Http2Client) {
    // An idle session ends at once, perhaps before the answer.
    await client.request({ path: '/leave' }).catch(() => undefined)
  },
}
