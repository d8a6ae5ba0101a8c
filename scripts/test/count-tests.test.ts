import { describe, expect, it } from 'vitest'
import { countTests } from '../count-tests.mjs'

const report = (...files: { status: string; tests: string[] }[]) =>
  JSON.stringify({
    testResults: files.map(({ status, tests }) => ({
      name: 'a.test.ts',
      status,
      assertionResults: tests.map((each) => ({ status: each, fullName: `is ${each}` })),
    })),
  })

describe('the closing line of npm test', () => {
  it('counts passed and failed tests, but not skipped ones', () => {
    const text = report(
      { status: 'passed', tests: ['passed', 'passed', 'skipped', 'todo'] },
      { status: 'failed', tests: ['passed', 'failed'] },
    )
    expect(countTests(text, 'exit code 1')).toMatchObject({ passed: 3, failed: 1 })
  })

  it('lists skipped tests, a line for each file', () => {
    const text = report(
      { status: 'passed', tests: ['passed', 'skipped', 'skipped'] },
      { status: 'passed', tests: ['passed'] },
    )
    expect(countTests(text, undefined).skipped).toEqual(['a.test.ts: "is skipped" and 1 more'])
  })

  it('counts a file that could not be loaded as a failure', () => {
    const text = report(
      { status: 'passed', tests: ['passed'] },
      { status: 'failed', tests: ['skipped'] },
    )
    expect(countTests(text, 'exit code 1')).toMatchObject({ passed: 1, failed: 1 })
  })

  it('counts a failed run in which every test passed as a failure', () => {
    const text = report({ status: 'passed', tests: ['passed'] })
    expect(countTests(text, 'exit code 1')).toMatchObject({ passed: 1, failed: 1 })
    expect(countTests(text, undefined)).toMatchObject({ passed: 1, failed: 0 })
  })

  it('counts a run without a test, or without a report, as a failure', () => {
    expect(countTests(report(), undefined)).toMatchObject({ passed: 0, failed: 1 })
    expect(countTests(report({ status: 'passed', tests: ['skipped'] }), undefined).failed).toBe(1)
    expect(countTests(undefined, 'SIGSEGV')).toMatchObject({ passed: 0, failed: 1 })
  })
})
