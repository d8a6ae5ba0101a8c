import { afterEach, describe, expect, test, vi } from 'vitest'
import { bestSource, type Koffi, ppidSource } from '../src/identity/sources.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** A fake koffi with an operating system that the test controls. */
class FakeKoffi implements Koffi {
  readonly page = new ArrayBuffer(4096)
  readonly called: string[] = []
  pid = 100
  madvise = 0
  mapped = true

  load(path: null): { func(prototype: string): (...args: unknown[]) => unknown } {
    expect(path).toBeNull()
    return {
      func: (prototype) => {
        const name = /(\w+)\(/.exec(prototype)?.[1] ?? prototype
        return () => {
          this.called.push(name)
          if (name === 'getpid') return this.pid
          if (name === 'madvise') return this.madvise
          return { address: 1 }
        }
      },
    }
  }

  view(_pointer: unknown, bytes: number): ArrayBuffer {
    expect(bytes).toBe(4096)
    if (!this.mapped) throw new Error('Cannot view this pointer')
    return this.page
  }

  /** Does what the kernel does to a page with MADV_WIPEONFORK in a child. */
  wipe(): void {
    new Uint8Array(this.page).fill(0)
  }
}

describe('on Linux with koffi', () => {
  test('a page that a fork wipes distinguishes a child from its parent', () => {
    const koffi = new FakeKoffi()
    const source = bestSource(() => koffi, 'linux')
    source.settle()
    expect(source.name).toBe('page')
    expect(source.changed()).toBe(false)

    koffi.wipe()
    expect(source.changed()).toBe(true)
    expect(source.changed()).toBe(true)
    source.settle()
    expect(source.changed()).toBe(false)

    koffi.wipe()
    expect(source.changed()).toBe(true)
  })

  test('a check of the page needs no system call', () => {
    const koffi = new FakeKoffi()
    const source = bestSource(() => koffi, 'linux')
    source.settle()
    const calls = koffi.called.length
    for (let check = 0; check < 10; check++) source.changed()
    expect(koffi.called).toHaveLength(calls)
  })

  test('the pid is used if the kernel refuses to wipe the page', () => {
    const koffi = new FakeKoffi()
    koffi.madvise = -1
    const source = bestSource(() => koffi, 'linux')
    source.settle()
    expect(source.name).toBe('pid')
    expect(source.changed()).toBe(false)
    koffi.pid = 101
    expect(source.changed()).toBe(true)
    source.settle()
    expect(source.changed()).toBe(false)
  })

  test('the pid is used if no page can be allocated', () => {
    const koffi = new FakeKoffi()
    koffi.mapped = false
    expect(bestSource(() => koffi, 'linux').name).toBe('pid')
  })

  test.runIf(process.platform === 'linux')('this process has a page', () => {
    const source = bestSource()
    source.settle()
    expect(source.name).toBe('page')
    expect(source.changed()).toBe(false)
  })
})

describe('on macOS', () => {
  test('with koffi, the pid is used instead of a page', () => {
    const koffi = new FakeKoffi()
    const source = bestSource(() => koffi, 'darwin')
    expect(source.name).toBe('pid')
    expect(koffi.called).not.toContain('mmap')
  })

  test('without koffi, the parent’s pid is used, confirmed by the pid in a report', () => {
    const source = bestSource(() => undefined, 'darwin')
    source.settle()
    expect(source.name).toBe('ppid')
    expect(source.changed()).toBe(false)
    vi.spyOn(process, 'ppid', 'get').mockReturnValue(1)
    expect(source.changed()).toBe(false)
  })
})

test('on Windows, no source is used because there is no fork', () => {
  const source = bestSource(() => undefined, 'win32')
  source.settle()
  expect(source.name).toBe('none')
  expect(source.changed()).toBe(false)
})

describe('without koffi', () => {
  test('on Linux, the parent’s pid is used, confirmed by the pid in /proc', () => {
    const source = bestSource(() => undefined, 'linux')
    source.settle()
    expect(source.name).toBe('ppid')
    expect(source.changed()).toBe(false)
    vi.spyOn(process, 'ppid', 'get').mockReturnValue(1)
    expect(source.changed()).toBe(false)
  })
})

describe('the parent’s pid', () => {
  function open(ppid: number, pid: number) {
    const live = { ppid, pid }
    vi.spyOn(process, 'ppid', 'get').mockImplementation(() => live.ppid)
    const livePid = vi.fn<() => number>(() => live.pid)
    const source = ppidSource(livePid)
    source.settle()
    livePid.mockClear()
    return { live, livePid, source }
  }

  test('that is unchanged needs no confirmation', () => {
    const { livePid, source } = open(500, 600)
    for (let check = 0; check < 10; check++) expect(source.changed()).toBe(false)
    expect(livePid).not.toHaveBeenCalled()
  })

  test('that differs in a child is a change', () => {
    const { live, source } = open(500, 600)
    Object.assign(live, { ppid: 600, pid: 601 })
    expect(source.changed()).toBe(true)
    expect(source.changed()).toBe(true)
    source.settle()
    expect(source.changed()).toBe(false)
  })

  test('that differs because the parent died is not a change, and is confirmed once', () => {
    const { live, livePid, source } = open(500, 600)
    live.ppid = 42
    expect(source.changed()).toBe(false)
    expect(source.changed()).toBe(false)
    expect(livePid).toHaveBeenCalledOnce()
  })

  test.each([0, 1])('of %d proves nothing, so the live pid decides', (init) => {
    const { live, livePid, source } = open(init, 600)
    expect(source.changed()).toBe(false)
    expect(livePid).toHaveBeenCalled()
    // A grandchild whose parent has ended is adopted by the same process.
    live.pid = 602
    expect(source.changed()).toBe(true)
    source.settle()
    expect(source.changed()).toBe(false)
  })

  test('of an adopted grandchild may be unchanged, so only a hook compares the pid', () => {
    const { live, source } = open(500, 600)
    live.pid = 602
    expect(source.changed()).toBe(false)
    expect(source.confirm?.()).toBe(true)
    source.settle()
    expect(source.confirm?.()).toBe(false)
  })

  test('that became 1 is confirmed at each check from then on', () => {
    const { live, livePid, source } = open(500, 600)
    live.ppid = 1
    expect(source.changed()).toBe(false)
    live.pid = 601
    expect(source.changed()).toBe(true)
    expect(livePid).toHaveBeenCalledTimes(2)
  })
})
