// @ts-check

/** @typedef {{ passed: number, failed: number, skipped: string[], problems: string[] }} Count `skipped`: a line for each file */

/**
 * Counts the tests in the output of vitest's JSON reporter, so that every problem counts as a failure.
 * @param {string | undefined} report
 * @param {string | undefined} failure how vitest itself failed, if it did
 * @returns {Count}
 */
export function countTests(report, failure) {
  if (report === undefined) return one(`vitest wrote no report: ${failure ?? 'exit code 0'}`)
  /** @type {{ testResults: { name: string, status: string, assertionResults: { status: string, fullName: string }[] }[] }} */
  const { testResults } = JSON.parse(report)
  /** @type {Count} */
  const count = { passed: 0, failed: 0, skipped: [], problems: [] }
  for (const file of testResults) {
    const failed = file.assertionResults.filter(({ status }) => status === 'failed').length
    count.passed += file.assertionResults.filter(({ status }) => status === 'passed').length
    count.failed += failed
    const [first, ...others] = file.assertionResults.filter(({ status }) => status === 'skipped')
    if (first !== undefined) {
      const more = others.length > 0 ? ` and ${others.length} more` : ''
      count.skipped.push(`${file.name}: "${first.fullName}"${more}`)
    }
    if (failed > 0 || file.status !== 'failed') continue
    // The file could not be loaded, or a hook failed.
    count.failed += 1
    count.problems.push(`${file.name} failed outside its tests`)
  }
  if (count.failed > 0) return count
  if (failure !== undefined) {
    return { ...count, failed: 1, problems: [`vitest failed although no test did: ${failure}`] }
  }
  return count.passed > 0 ? count : one('vitest ran no test')
}

/**
 * @param {string} problem
 * @returns {Count}
 */
function one(problem) {
  return { passed: 0, failed: 1, skipped: [], problems: [problem] }
}
