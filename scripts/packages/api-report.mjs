// @ts-check
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { root } from '../tools.mjs'

/** What an error's ancestor has told of. */
const INHERITED = /^Missing documentation for "(name|code)"/

/** @typedef {{ report: string, problems: string[] }} ApiReport */

/**
 * What one entry of a built package exports, as api-extractor writes it, and which of it has no docstring.
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
      localBuild: true, // It writes the report and compares it with none.
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
        // A type that is only named by what is exported is part of it.
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
          // Everything that is exported is public.
          'ae-missing-release-tag': none,
          // Links are written as editors and TypeDoc read them.
          'ae-unresolved-link': none,
        },
        tsdocMessageReporting: { default: none }, // So are the tags.
      },
    },
  })
}
