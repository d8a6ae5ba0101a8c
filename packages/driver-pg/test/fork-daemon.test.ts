import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { DaemonReport, DaemonSettings } from './programs/daemon.ts'
import { fromClient } from './support/forked.ts'
import { connectionTo, startProxy } from './support/pools.ts'
import { usePrograms } from './support/remote.ts'

// Processes whose parent is pid 1: in a pid namespace of their own, where pids can be chosen.

const namespace = [
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
]
/** Why there can be none here, if there can be none. */
const obstacle = (() => {
  const { error, status, stderr } = spawnSync('unshare', [...namespace, 'true'])
  return error?.message ?? (status === 0 ? undefined : String(stderr).trim())
})()

const programs = usePrograms()

/** The program under an init that stays until the test ends, and what its processes print. */
async function startUnderInit(kind: DaemonSettings['kind'], koffi: boolean) {
  const { proxy, stop } = await startProxy('plain')
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-daemon-'))
  const signal = join(folder, 'signal')
  const settings: DaemonSettings = { kind, koffi, signal, connection: connectionTo({ proxy }) }
  const flags = ['--v8-pool-size=1', '--single-threaded']
  const node = [process.execPath, ...flags, programs().path('daemon')]
  // It is there to adopt, for as long as the test takes.
  const init = '"$@"; sleep 60'
  const program = spawn(
    'unshare',
    [...namespace, 'sh', '-c', init, 'init', ...node, JSON.stringify(settings)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const proceed = (time: number): void => writeFileSync(`${signal}.${time}`, '')
  onTestFinished(async () => {
    const exited = once(program, 'exit')
    program.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true })
    await stop()
  })
  let printed = ''
  program.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  const report = async (number: number): Promise<DaemonReport> => {
    const lines = () => printed.split('\n').slice(0, -1)
    await expect.poll(() => lines().length, { interval: 10 }).toBe(number)
    return JSON.parse(lines()[number - 1] ?? '') as DaemonReport
  }
  return { proxy, proceed, report }
}

describe.skipIf(obstacle !== undefined)(`a program under pid 1 (${obstacle ?? 'unshare'})`, () => {
  test.each([
    { koffi: true, identity: 'page' },
    { koffi: false, identity: 'ppid' },
  ])(
    'that forks twice has a daemon with a session of its own, though the parent’s pid is the same: by $identity',
    async ({ koffi, identity }) => {
      const { proxy, proceed, report } = await startUnderInit('forks twice', koffi)
      const before = await report(1)
      expect(before).toMatchObject({ ppid: 1, identity, generation: 1 })
      const mark = await proxy.mark()
      proceed(1)
      const daemon = await report(2)
      expect(daemon).toMatchObject({
        ppid: 1,
        identity,
        generation: 2,
        session: expect.any(Number),
      })
      expect(daemon.pid).not.toBe(before.pid)
      expect(daemon.session).not.toBe(before.session)
      expect(fromClient(await proxy.records({ since: mark, openedBefore: mark }))).toEqual([])
      proceed(2)
      expect(await report(3)).toEqual(before)
    },
  )

  // The process in between has never used the pool: what a pid is compared with is that of the first.
  test.each([
    { koffi: true, identity: 'page', generation: 2 },
    { koffi: false, identity: 'ppid', generation: 1 },
  ])(
    'whose pid is that of its grandchild later: by $identity that has generation $generation',
    async ({ koffi, identity, generation }) => {
      const { proxy, proceed, report } = await startUnderInit('has its pid reused', koffi)
      const before = await report(1)
      const mark = await proxy.mark()
      proceed(1)
      const reused = await report(2)
      expect(reused).toMatchObject({ pid: before.pid, identity, generation })
      expect(reused.session).not.toBe(before.session)
      // The connection ends with its last holder, and nobody has said a word on it.
      const records = await proxy.records({ since: mark, openedBefore: mark })
      expect(fromClient(records).filter(({ kind }) => kind === 'data')).toEqual([])
    },
  )
})
