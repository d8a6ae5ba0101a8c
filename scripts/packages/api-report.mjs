// @ts-check
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { root } from '../tools.mjs'

/** The members that an error inherits and that are documented there. */
const INHERITED = /^Missing documentation for "(name|code)"/

/** @typedef {{ report: string, problems: string[] }} ApiReport */

/**
 * Returns the exports of an entry of a built package, as api-extractor reports them, and those without a docstring.
 * @param {string} folder of the package
 * @param {string} types the entry's declarations, as in package.json
 * @returns {ApiReport}
 */
export function apiReport(folder, types) {
  const written = mkdtempSync(join(tmpdir(), 'forksafe-api-'))
  try {
    /** @type {string[]} */
    const problems = []
    Extractor.invoke(configuration(folder, types, written), {
      localBuild: true, // Writes the report without comparing it with an old one.
      messageCallback: (message) => {
        const { logLevel, sourceFilePath, sourceFileLine, text } = message
        message.handled = true
        if (logLevel !== ExtractorLogLevel.Error || INHERITED.test(text)) return
        const where = relative(root, sourceFilePath ?? folder)
        problems.push(`${where}:${sourceFileLine ?? 1}: ${text}`)
      },
    })
    return { report: readFileSync(join(written, 'entry.api.md'), 'utf8'), problems }
  } finally {
    rmSync(written, { recursive: true })
  }
}

/**
 * @param {string} folder
 * @param {string} types
 * @param {string} written
 */
function configuration(folder, types, written) {
  const error = { logLevel: ExtractorLogLevel.Error }
  const none = { logLevel: ExtractorLogLevel.None }
  return ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(folder, 'package.json'),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: join(folder, types),
      compiler: { tsconfigFilePath: join(folder, 'tsconfig.build.json') },
      newlineKind: 'lf',
      apiReport: {
        enabled: true,
        reportFolder: written,
        reportTempFolder: join(written, 'temporary'),
        reportFileName: 'entry',
        // Types that exports only refer to are part of the report.
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: error },
        extractorMessageReporting: {
          default: error,
          'ae-forgotten-export': none,
          // All exports are public.
          'ae-missing-release-tag': none,
          // Links have the syntax of editors and TypeDoc.
          'ae-unresolved-link': none,
        },
        tsdocMessageReporting: { default: none }, // So do the tags.
      },
    },
  })
}
