import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Starts the service on a free port of 127.0.0.1. */
export async function startServer(): Promise<{ port: number; stop(): void }> {
  const script = fileURLToPath(new URL('server.mjs', import.meta.url))
  const server = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [port] = await once(server.stdout, 'data')
  return { port: Number(port), stop: () => void server.kill() }
}
