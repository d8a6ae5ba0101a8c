import { defineDriver } from '@forksafe/core'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { conformance, testDriver } from '../src/index.ts'

// Drivers whose resources are no connections to a server.

interface Cat {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
}

function letGo({ child }: Cat): void {
  child.stdin?.destroy()
  child.stdout?.destroy()
}

function say({ child }: Cat, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (bytes: Buffer) => resolve(bytes.toString()))
    const ended = (): void => reject(new Error('cat has ended.'))
    if (child.exitCode !== null || child.signalCode !== null) ended()
    child.once('exit', ended)
    child.stdin?.write(text)
  })
}

/** A process at the end of two pipes, which a forked child inherits. */
const catDriver = defineDriver({
  name: 'cat',
  async create(command: string, { signal }) {
    signal.throwIfAborted()
    const child = spawn(command, { stdio: ['pipe', 'pipe', 'inherit'] })
    const cat: Cat = { child, exited: new Promise((resolve) => child.once('close', resolve)) }
    child.stdin.on('error', () => undefined)
    signal.addEventListener('abort', () => letGo(cat))
    await once(child, 'spawn')
    if ((await say(cat, 'ready')) !== 'ready') throw new Error('This is no cat.')
    return cat
  },
  validate: async (cat) => (await say(cat, 'alive')) === 'alive',
  async destroy(cat) {
    cat.child.stdin?.end()
    await cat.exited
  },
  discard: letGo,
  watch: (cat, lost) => void cat.child.once('exit', () => lost(new Error('cat has ended.'))),
  ref(cat) {
    cat.child.ref()
    for (const pipe of [cat.child.stdin, cat.child.stdout]) (pipe as { ref?(): void }).ref?.()
  },
  unref(cat) {
    cat.child.unref()
    for (const pipe of [cat.child.stdin, cat.child.stdout]) (pipe as { unref?(): void }).unref?.()
  },
  classify: (error) => (String(error).includes('ENOENT') ? 'fatal' : 'transient'),
})

const NO_SERVER = 'its resources are processes at the end of a pipe'

const catOptions = {
  connection: () => 'cat',
  echo: (cat: Cat, text: string) => say(cat, text),
  kill: async ({ child, exited }: Cat) => {
    child.kill('SIGKILL')
    await exited
  },
  failures: {
    'a program that does not exist': { kind: 'fatal', connection: () => '/does/not/exist' },
  },
  without: { server: NO_SERVER, reset: 'a cat keeps nothing' },
} as const

await testDriver(catDriver, catOptions)

/** A thread, which a forked child does not inherit. */
const workerDriver = defineDriver({
  name: 'worker',
  async create(_: void, { signal }) {
    signal.throwIfAborted()
    const code = `
      const { parentPort } = require('node:worker_threads')
      let kept = ''
      parentPort.on('message', (text) => {
        if (text.startsWith('keep ')) kept = text.slice(5)
        parentPort.postMessage(text === 'kept' ? kept : text)
      })`
    const worker = new Worker(code, { eval: true })
    worker.on('error', () => undefined)
    signal.addEventListener('abort', () => void worker.terminate())
    await ask(worker, 'ready')
    return worker
  },
  validate: async (worker) => (await ask(worker, 'alive')) === 'alive',
  reset: async (worker) => void (await ask(worker, 'keep ')),
  destroy: async (worker) => void (await worker.terminate()),
  discard: (worker) => void worker.terminate(),
  watch: (worker, lost) => void worker.on('exit', () => lost(new Error('The thread has ended.'))),
  ref: (worker) => worker.ref(),
  unref: (worker) => worker.unref(),
})

function ask(worker: Worker, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('exit', () => reject(new Error('The thread has ended.')))
    // After its end, there is no message and no event.
    if (worker.threadId === -1) reject(new Error('The thread has ended.'))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage(text)
  })
}

await testDriver(workerDriver, {
  echo: ask,
  session: {
    leave: (worker) => ask(worker, 'keep mine'),
    left: async (worker) => (await ask(worker, 'kept')) === 'mine',
  },
  kill: (worker) => worker.terminate(),
  without: {
    server: 'its resources are threads',
    fork: 'a forked child has no threads',
    classify: 'a thread always starts',
  },
})

/** An object in this process. Its hooks and those of its session are synchronous. */
const counterDriver = defineDriver({
  name: 'counter',
  create: async (_: void, { signal }) => {
    signal.throwIfAborted()
    return { count: 0 }
  },
  reset: (counter) => void (counter.count = 0),
  destroy: () => undefined,
  discard: () => undefined,
})

const missing = 'an object does not die'
const counterOptions = {
  echo: (_: object, text: string) => text,
  session: {
    leave: (counter: { count: number }) => counter.count++,
    left: ({ count }: { count: number }) => count > 0,
  },
  without: { server: missing, validate: missing, watch: missing, classify: missing, ref: missing },
}

await testDriver(counterDriver, counterOptions)

test('checks that need a server are skipped with the reason for its absence', () => {
  const { checks } = conformance(catDriver, catOptions)
  const skipped = checks.filter((check) => check.skipped === NO_SERVER).map(({ name }) => name)
  expect(skipped).toContain(
    'create closes everything silently when its signal aborts, at each step',
  )
  expect(skipped).toContain('discard closes everything synchronously and silently')
  expect(skipped).toContain(
    'a fork while a request is unanswered, in a child that calls afterFork()',
  )
  const run = checks.filter((check) => check.skipped === undefined).map(({ name }) => name)
  expect(run).toContain('validate refuses a resource that was killed')
  expect(run).toContain('watch reports a resource that was killed')
  expect(run).toContain('discard can be repeated, and called for a dead or destroyed resource')
  expect(run).toContain('a fork while a resource is lent, in a child that calls afterFork()')
})

test('without a server, only kill shows that watch and discard work', async () => {
  const { checks } = conformance(catDriver, { ...catOptions, kill: undefined })
  const watch = checks.filter(({ name }) => name.startsWith('watch'))
  expect(watch.map(({ name, skipped }) => skipped ?? name)).toEqual([
    NO_SERVER,
    NO_SERVER,
    'watch reports a resource that dies',
  ])
  await expect(watch[2]?.run()).rejects.toThrow('expected `kill` to show that it works, got none')
})

test.each([
  [
    { without: {} },
    'expected `server` to be { port }',
    "give a reason: `without: { server: '…' }`",
  ],
  [{ server: { port: 1 } }, 'expected no reason in `without.server`', 'there is a `server`'],
  [
    { server: { port: 1 }, connection: undefined, without: {} },
    'expected `connection` to be a function',
    'got undefined',
  ],
])('options with %o throw', (change, ...messages) => {
  const wrong = { ...catOptions, ...change } as typeof catOptions
  for (const message of messages) expect(() => conformance(catDriver, wrong)).toThrow(message)
})

test.each([
  ['discard does nothing', { discard: () => undefined }, /^discard/],
  ['destroy does nothing', { destroy: () => undefined }, /^destroy has closed/],
  ['watch reports nothing', { watch: () => undefined }, /^watch/],
  ['validate always returns true', { validate: () => true }, /^validate refuses/],
  ['unref does nothing', { unref: () => undefined }, /^ref and unref/],
])('without a server too, the suite finds that %s', async (_, change, failing) => {
  await using suite = conformance(
    { ...catDriver, ...change },
    { ...catOptions, timeoutMillis: 1_000 },
  )
  const checks = suite.checks.filter(({ name, skipped }) => failing.test(name) && !skipped)
  expect(checks).not.toEqual([])
  for (const { run } of checks) await expect(run()).rejects.toThrow(/^Expected/)
})
