import { afterEach, expect, test } from 'vitest'
import { fork, ForkUnsupportedError, forkSupported, inChild } from '../src/index.ts'

const real = { execArgv: process.execArgv, platform: process.platform, arch: process.arch }
const realOptions = process.env['NODE_OPTIONS']
afterEach(() => {
  pretend(real)
  if (realOptions === undefined) delete process.env['NODE_OPTIONS']
  else process.env['NODE_OPTIONS'] = realOptions
})

function pretend(properties: Partial<typeof real>) {
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(process, name, { value })
  }
}

test('this process can be forked', () => {
  expect(forkSupported()).toEqual({ supported: true })
})

test('on other systems than Linux the reason is the platform', () => {
  pretend({ platform: 'darwin' })
  expect(forkSupported()).toEqual({
    supported: false,
    reason: 'it needs Linux, but this is darwin',
  })
})

test('on other processors the reason is the processor', () => {
  pretend({ arch: 's390x' })
  expect(forkSupported()).toMatchObject({ reason: 'it needs x64 or arm64, but this is s390x' })
})

const major = Number.parseInt(process.versions.node, 10)

test.runIf(major >= 22)('with helper threads in V8 the reason names the flags of Node', () => {
  pretend({ execArgv: [] })
  expect(forkSupported()).toMatchObject({
    supported: false,
    reason: expect.stringContaining(
      'must be started with --v8-pool-size=1 --single-threaded',
    ) as string,
  })
})

test.runIf(major >= 22)(
  'either flag is enough, also in NODE_OPTIONS, but not another pool size',
  () => {
    pretend({ execArgv: ['--v8-pool-size=01'] })
    expect(forkSupported().supported).toBe(false)
    pretend({ execArgv: ['--single-threaded'] })
    expect(forkSupported().supported).toBe(true)
    pretend({ execArgv: [] })
    process.env['NODE_OPTIONS'] = '--no-warnings --v8-pool-size=0'
    expect(forkSupported().supported).toBe(true)
  },
)

test('if it is not supported, fork rejects with the reason and does nothing', async () => {
  pretend({ platform: 'win32' })
  let ran = false
  const forking = fork(() => (ran = true))
  await expect(forking).rejects.toBeInstanceOf(ForkUnsupportedError)
  await expect(forking).rejects.toThrow('Cannot fork: it needs Linux, but this is win32.')
  await expect(inChild(() => 1)).rejects.toMatchObject({ code: 'ERR_FORK_UNSUPPORTED' })
  expect(ran).toBe(false)
})
