import { createForkSafePool } from '@forksafe/core'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { http2Driver } from '../src/http2/driver.ts'
import { startHttp2 } from './support/http2.ts'

let server: Awaited<ReturnType<typeof startHttp2>>
beforeAll(async () => {
  server = await startHttp2()
})
afterAll(() => server.stop())

test('the code of the example runs', async () => {
  vi.stubEnv('HTTP2_PORT', String(server.port))
  const log = vi.spyOn(console, 'log').mockReturnValue()
  onTestFinished(() => void vi.restoreAllMocks())
  onTestFinished(() => void vi.unstubAllEnvs())
  await import('../src/http2/use.ts')
  expect(log).toHaveBeenCalledWith(200, 'hello')
})

test('the code of the guide on sharing runs', async () => {
  vi.stubEnv('HTTP2_PORT', String(server.port))
  const log = vi.spyOn(console, 'log').mockReturnValue()
  onTestFinished(() => void vi.restoreAllMocks())
  onTestFinished(() => void vi.unstubAllEnvs())
  await import('../src/sharing.ts')
  expect(log).toHaveBeenCalledWith(100, 2)
})

test('many requests share a session, and a slow one does not hold up the others', async () => {
  await using pool = createForkSafePool(http2Driver, { connection: server, max: 1 })
  const controller = new AbortController()
  const slow = pool.share((client) => client.request({ path: '/hang' }), {
    signal: controller.signal,
  })
  const paths = Array.from({ length: 50 }, (_, number) => `/echo/${number}`)
  const answers = await Promise.all(paths.map((path) => pool.request({ path })))
  expect(answers.map(({ body }) => `/echo/${body}`)).toEqual(paths)
  expect(pool.stats).toMatchObject({ size: 1, shared: 1, inFlight: 1 })
  controller.abort(new Error('gone'))
  await expect(slow).rejects.toThrow('gone')
})

test('a request has a method, headers and a body, and an answer', async () => {
  await using pool = createForkSafePool(http2Driver, { connection: server })
  const request = { path: '/post', method: 'POST', headers: { 'x-id': '1' }, body: 'naïve ☕' }
  expect(await pool.request(request)).toMatchObject({ status: 200, body: 'POST naïve ☕' })
})

test('a session whose server says GOAWAY answers its holder, and is not lent again', async () => {
  await using pool = createForkSafePool(http2Driver, { connection: server, max: 1 })
  const reasons: string[] = []
  pool.on('destroy', ({ reason }) => reasons.push(reason))
  const lease = await pool.acquire()
  const first = lease.resource
  const goaway = new Promise<void>((resolve) => {
    const { onGoaway } = first
    first.onGoaway = () => {
      onGoaway()
      resolve()
    }
  })
  const hanging = first.request({ path: '/hang' })
  hanging.catch(() => undefined) // Keeps the session open after GOAWAY.
  expect((await first.request({ path: '/leave' })).body).toBe('announced')
  await goaway
  expect(lease.active).toBe(true)
  expect(first.usable).toBe(false)
  lease.release()
  await expect(hanging).rejects.toThrow('cancelled')
  await pool.use((next) => expect(next).not.toBe(first))
  expect(reasons).toEqual(['retire'])
})
